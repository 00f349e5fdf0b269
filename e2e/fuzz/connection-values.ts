import fc, { type Arbitrary } from "fast-check";

/** Where nothing answers, and which the door refuses: no call of a fuzzer's connections leaves the machine. */
const nowhere = "https://127.0.0.1:9";

/**
 * Members of connections that fit one another, by name: of a schema's own values hardly one does. What does not fit is
 * made of these by the mutations.
 */
const values: Readonly<Record<string, Arbitrary<unknown>>> = {
  kind: fc.constant("http"),
  base_url: fc.constantFrom(`${nowhere}/v2`, nowhere, "http://localhost"),
  token_url: fc.constant(`${nowhere}/token`),
  auth: fc.constantFrom(
    { type: "none" },
    { type: "bearer", token: "a-token" },
    { type: "basic", username: "me", password: "a password" },
    { type: "api_key", in: "query", name: "key", value: "a-value" },
    {
      type: "oauth2_client_credentials",
      token_url: `${nowhere}/token`,
      client_id: "me",
      client_auth: "post",
      client_secret: "a secret",
    },
    { type: "hmac", scheme: "sha256", header: "x-signature", signing_secrets: ["a secret"] },
  ),
  tls: fc.constant({}),
  methods: fc.constantFrom(null, ["GET"], ["GET", "POST"]),
  paths: fc.constantFrom(null, ["/v1/**"], ["/a/*", "/b-*"]),
  timeouts: fc.constantFrom({}, { connect: "1s" }, { first_byte: "10s", total: "1m" }),
  retry: fc.constantFrom({}, { max_retries: 2 }, { initial: "10ms", max: "1s" }),
  breaker: fc.constantFrom(null, {}, { failures: 2, open: "1s", max_open: "10s" }),
  rate: fc.constantFrom(null, { limit: 100 }, { limit: 1_000, per: "1m" }),
};

/** Values for a connection's member; undefined: its schema's are good enough. */
export function connectionValues(
  operationId: string,
  name: string,
): Arbitrary<unknown> | undefined {
  if (operationId !== "createConnection" && operationId !== "changeConnection") return undefined;
  if (name === "headers") return fc.constantFrom({}, { "x-tenant": "acme" });
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
