import { createHmac } from "node:crypto";

import { describe, expect, it } from "vitest";

import { OutboundRefusedError } from "../errors.ts";
import { type OutboundRequest } from "../exchange.ts";
import { noConnections } from "../no-connections.ts";
import { type ConnectionAuth, type TokenSource } from "../ports.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { authorize, type AuthorizeOptions } from "./authorize.ts";
import { isOwnOrigin } from "./own-origin.ts";

const signal = new AbortController().signal;

function authorized(
  auth: ConnectionAuth,
  request: Partial<OutboundRequest> = {},
  options: AuthorizeOptions = {},
  tokens: TokenSource = noConnections.tokens,
) {
  const whole = { method: "GET", path: "/v2/a", headers: { accept: "*/*" }, body: null };
  const connection = testConnection({ auth });
  return authorize({ ...whole, ...request }, connection, { tokens }, signal, options);
}

describe("credentials", () => {
  it("are not added where the connection has none", async () => {
    const { request, credentialHeaders, accessToken } = await authorized({ type: "none" });
    expect(request).toEqual({
      method: "GET",
      path: "/v2/a",
      headers: { accept: "*/*" },
      body: null,
    });
    expect([...credentialHeaders]).toEqual([]);
    expect(accessToken).toBeNull();
  });

  it("go into the header that an API key names, and that header is named as one", async () => {
    const auth = { type: "api_key", in: "header", name: "X-API-Key", value: "k1" } as const;
    const { request, credentialHeaders } = await authorized(auth);
    expect(request.headers).toEqual({ accept: "*/*", "x-api-key": "k1" });
    expect([...credentialHeaders]).toEqual(["x-api-key"]);
  });

  it.each([
    ["/v2/a", "/v2/a?api+key=k%26+1"],
    ["/v2/a?b=c%20d", "/v2/a?b=c%20d&api+key=k%26+1"],
    ["/v2/a?", "/v2/a?api+key=k%26+1"],
    ["/v2/a?b&", "/v2/a?b&api+key=k%26+1"],
  ])("go into the query of %s and leave the rest as it is", async (path, expected) => {
    const auth = { type: "api_key", in: "query", name: "api key", value: "k& 1" } as const;
    const { request, credentialQuery } = await authorized(auth, { path });
    expect(request.path).toBe(expected);
    expect([...credentialQuery]).toEqual(["api key"]);
  });

  it("are a bearer token", async () => {
    const { request, credentialHeaders } = await authorized({ type: "bearer", token: "t-1" });
    expect(request.headers["authorization"]).toBe("Bearer t-1");
    expect([...credentialHeaders]).toEqual(["authorization"]);
  });

  it("are name and password in UTF-8 (RFC 7617)", async () => {
    const { request } = await authorized({ type: "basic", username: "test", password: "123£" });
    expect(request.headers["authorization"]).toBe("Basic dGVzdDoxMjPCow==");
  });

  it("are an access token of the process's source, which hears what was refused", async () => {
    const asked: unknown[] = [];
    const tokens: TokenSource = {
      async token(connection, stale) {
        asked.push([connection.id, stale]);
        return "access-2";
      },
    };
    const auth: ConnectionAuth = {
      type: "oauth2_client_credentials",
      tokenUrl: "https://login.test/token",
      clientId: "c",
      clientAuth: "basic",
      clientSecret: "s",
      privateKey: null,
      keyId: null,
      algorithm: null,
      scope: null,
      audience: null,
    };
    const { request, accessToken } = await authorized(auth, {}, { stale: "access-1" }, tokens);
    expect(asked).toEqual([["crm", "access-1"]]);
    expect(request.headers["authorization"]).toBe("Bearer access-2");
    expect(accessToken).toBe("access-2");
  });

  it("sign the body in a header of choice", async () => {
    const auth = {
      type: "hmac",
      scheme: "sha256",
      secrets: ["one", "two"],
      header: "X-Hub-Signature-256",
      prefix: "sha256=",
    } as const;
    const body = new Uint8Array([0, 255, 10]);
    const { request, credentialHeaders } = await authorized(auth, { method: "POST", body });
    const hex = createHmac("sha256", "one").update(body).digest("hex");
    expect(request.headers["x-hub-signature-256"]).toBe(`sha256=${hex}`);
    expect([...credentialHeaders]).toEqual(["x-hub-signature-256"]);
  });
});

describe("a request that brings what the connection sets", () => {
  it.each<[string, ConnectionAuth, Partial<OutboundRequest>]>([
    ["a header", { type: "bearer", token: "t" }, { headers: { authorization: "Bearer mine" } }],
    [
      "the API key's header",
      { type: "api_key", in: "header", name: "X-Key", value: "k" },
      { headers: { "x-key": "mine" } },
    ],
    [
      "a member of the query",
      { type: "api_key", in: "query", name: "key", value: "k" },
      { path: "/a?b=1&%6Bey=mine" },
    ],
  ])("is refused: %s", async (_what, auth, request) => {
    await expect(authorized(auth, request)).rejects.toThrow(OutboundRefusedError);
    await expect(authorized(auth, request)).rejects.toThrow(/is set by the connection crm/);
  });
});

describe("a credential that no request can carry", () => {
  const secret = "s3cret";
  it.each<[string, ConnectionAuth]>([
    ["a key", { type: "api_key", in: "header", name: "x-key", value: `${secret}\r\nx: y` }],
    ["a key wider than a byte", { type: "api_key", in: "header", name: "x", value: `${secret}†` }],
    ["a key's header", { type: "api_key", in: "header", name: "host", value: secret }],
    ["a token", { type: "bearer", token: `${secret} ${secret}` }],
    ["a user name", { type: "basic", username: `a:${secret}`, password: "p" }],
    ["a password", { type: "basic", username: "a", password: `${secret}\n` }],
    [
      "a signing secret",
      {
        type: "hmac",
        scheme: "standard_webhooks",
        secrets: [`whsec_*${secret}`],
        header: "",
        prefix: "",
      },
    ],
    [
      "no webhook secret",
      { type: "hmac", scheme: "standard_webhooks", secrets: [], header: "", prefix: "" },
    ],
    [
      "no signing secret",
      { type: "hmac", scheme: "sha256", secrets: [], header: "x-signature", prefix: "" },
    ],
  ])("is refused and not repeated: %s", async (_what, auth) => {
    const refused = authorized(auth, { method: "POST", body: "x" });
    await expect(refused).rejects.toThrow(OutboundRefusedError);
    await expect(refused).rejects.toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) as string }),
    );
  });
});

describe("the connection's own origin", () => {
  it.each([
    ["https://crm.test/v2", "https://crm.test/other", true],
    ["https://crm.test/v2", "https://crm.test:443/", true],
    ["https://crm.test/v2", "http://crm.test/v2", false],
    ["https://crm.test/v2", "https://crm.test:8443/v2", false],
    ["https://crm.test/v2", "https://crm.test.evil.test/v2", false],
    ["https://crm.test/v2", "https://sub.crm.test/v2", false],
    ["wss://crm.test/socket", "wss://crm.test/other", true],
    ["wss://crm.test/socket", "https://crm.test/other", true],
    ["wss://crm.test/socket", "ws://crm.test/socket", false],
    ["grpcs://crm.test:50051", "grpcs://crm.test:50051/a.B/C", true],
    ["grpcs://crm.test:50051", "grpcs://other.test:50051/a.B/C", false],
    ["grpcs://crm.test:50051", "grpc://crm.test:50051/a.B/C", false],
  ])("of %s: %s: %s", (baseUrl, target, own) => {
    expect(isOwnOrigin(testConnection({ baseUrl }), new URL(target))).toBe(own);
  });
});
