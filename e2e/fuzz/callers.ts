import { makeKey } from "@tl-engine/shared/keys/key-format.ts";
import { SignJWT } from "jose";
import type { Deployment } from "../support/deployment.ts";
import { headerValues, type HeaderLine, type WireRequest } from "./wire-request.ts";

/** Somebody whom the API knows. */
export interface KnownCaller {
  readonly name: string;
  readonly kind: "plane" | "program" | "front_end";
  /** The one header that says who he is. */
  readonly credential: HeaderLine;
  /** null: all of them. */
  readonly scopes: ReadonlySet<string> | null;
  /** Engines that exist for him; null: all. */
  readonly engines: ReadonlySet<string> | null;
  /** `unlimited`: without rate headers; `spent`: his limit is reached. */
  readonly limit: "counted" | "unlimited" | "spent";
}

/** Headers that nobody may get in with. */
export interface Stranger {
  readonly name: string;
  readonly headers: readonly HeaderLine[];
}

export interface Callers {
  readonly known: readonly KnownCaller[];
  readonly strangers: readonly Stranger[];
  /** Secret → how it is printed. */
  readonly masks: ReadonlyMap<string, string>;
  /** Who a request is from, by its headers alone; null: nobody whom the API may let in. */
  identify(request: Pick<WireRequest, "headers">): KnownCaller | null;
}

const usual = ["engines:read", "engines:execute", "executions:read", "executions:write"];
const many = 1_000_000_000;

/** Makes keys and tokens of every kind, good and bad. */
export async function makeCallers(deployment: Deployment): Promise<Callers> {
  const plane = deployment.client();
  const [jwtSecret = ""] = deployment.secrets;
  const token = (subject: string, claims: Record<string, unknown> = {}, exp = "24h") =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256" })
      .setSubject(subject)
      .setIssuer("tl-engine")
      .setAudience("tl-engine")
      .setIssuedAt()
      .setExpirationTime(exp)
      .sign(new TextEncoder().encode(jwtSecret));
  const program = async (
    name: string,
    scopes: string[] | undefined,
    engines: string[] | null,
    rateLimit: number | null = many,
  ): Promise<KnownCaller> => {
    const wanted = { name, engines, rate_limit: rateLimit, ...(scopes && { scopes }) };
    const { key } = await plane.keys.create(wanted);
    return {
      name,
      kind: "program",
      credential: ["X-API-Key", key],
      scopes: new Set(scopes ?? usual),
      engines: engines && new Set(engines),
      limit: rateLimit === null ? "unlimited" : rateLimit === 1 ? "spent" : "counted",
    };
  };
  const frontEnd = async (name: string, scopes?: string[]): Promise<KnownCaller> => ({
    name,
    kind: "front_end",
    credential: [
      "Authorization",
      `Bearer ${await token(name, scopes && { scope: scopes.join(" ") })}`,
    ],
    scopes: new Set(scopes ?? usual),
    engines: null,
    limit: "counted",
  });
  const planeCaller: KnownCaller = {
    name: "plane",
    kind: "plane",
    credential: ["X-API-Key", deployment.planeKey],
    scopes: null,
    engines: null,
    limit: "counted",
  };
  const known = [
    planeCaller,
    await program("program", [...usual, "metrics:read"], null),
    await program("other program", undefined, null, null),
    await program("narrow program", ["engines:execute:echo", "executions:read"], ["echo"]),
    await program("reader", ["engines:read"], null),
    await program("no scopes", [], null),
    await program("spent", undefined, null, 1),
    await frontEnd("front end"),
    await frontEnd("front end of one engine", ["engines:execute:flaky", "executions:read"]),
  ];

  const revoked = await plane.keys.create({ name: "revoked" });
  const off = await plane.keys.create({ name: "off" });
  const expired = await plane.keys.create({ name: "expired", expires_at: "2020-01-01T00:00:00Z" });
  await plane.keys.revoke(revoked.id);
  await plane.keys.change(off.id, { is_active: false });
  const unknown = makeKey().key;
  const good = known[1]!.credential[1];
  const bearer = known.find(({ kind }) => kind === "front_end")!.credential[1];
  const outOfDate = await token("front end", {}, "-1h");
  const stranger = (name: string, ...headers: HeaderLine[]): Stranger => ({ name, headers });
  const strangers = [
    stranger("nobody"),
    stranger("an unknown key", ["X-API-Key", unknown]),
    stranger("a mistyped key", ["X-API-Key", `${good.slice(0, -1)}${good.endsWith("0") ? 1 : 0}`]),
    stranger("a revoked key", ["X-API-Key", revoked.key]),
    stranger("a key that is off", ["X-API-Key", off.key]),
    stranger("an expired key", ["X-API-Key", expired.key]),
    stranger("an empty key", ["X-API-Key", ""]),
    stranger("two credentials", ["X-API-Key", good], ["Authorization", bearer]),
    stranger("a key twice", ["X-API-Key", good], ["x-api-key", good]),
    stranger("a token twice", ["Authorization", bearer], ["Authorization", bearer]),
    stranger("an old token", ["Authorization", `Bearer ${outOfDate}`]),
    stranger("a changed token", ["Authorization", `${bearer.slice(0, -4)}AAAA`]),
    stranger("a key as a token", ["Authorization", `Bearer ${good}`]),
    stranger("a token as a key", ["X-API-Key", bearer.slice(7)]),
    stranger("basic", ["Authorization", `Basic ${Buffer.from(`a:${good}`).toString("base64")}`]),
    stranger("a cookie", ["Cookie", `X-API-Key=${good}`]),
    stranger("a proxy's credential", ["Proxy-Authorization", bearer]),
    stranger("a key of another case", ["X-API-Key", good.toUpperCase()]),
    stranger("odd bytes", ["X-API-Key", "tlk_\u00ff\u00fe"]),
    stranger("a long key", ["X-API-Key", `tlk_${"x".repeat(9_000)}`]),
  ];
  const masks = new Map([
    ...known.map(
      ({ name, credential: [, value] }) =>
        [value.replace(/^Bearer /, ""), `$${name.replaceAll(" ", "_").toUpperCase()}`] as const,
    ),
    ...[revoked.key, off.key, expired.key, unknown, outOfDate].map(
      (value) => [value, "$STRANGER"] as const,
    ),
  ]);
  return { known, strangers, masks, identify: (request) => identify(known, request) };
}

function identify(
  known: readonly KnownCaller[],
  request: Pick<WireRequest, "headers">,
): KnownCaller | null {
  const keys = headerValues(request, "x-api-key");
  const tokens = headerValues(request, "authorization");
  if (keys.length + tokens.length !== 1) return null;
  const [key] = keys;
  // White space around a value is no part of it (RFC 9110, 5.5); the scheme is of any case.
  const said = (key ?? tokens[0] ?? "").replaceAll(/^[ \t]+|[ \t]+$/g, "");
  const value = key === undefined ? said.replace(/^bearer /i, "Bearer ") : said;
  const name = key === undefined ? "Authorization" : "X-API-Key";
  return known.find(({ credential }) => credential[0] === name && credential[1] === value) ?? null;
}
