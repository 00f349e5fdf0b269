import { createHmac, generateKeyPairSync, createPublicKey, randomBytes, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { exportJWK } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { Refusal } from "./problem.ts";
import { jwtSecret as secret, openTestApi, type TestApi } from "./testing/api.ts";
import { tokenVerifier, type VerifyToken } from "./verify-token.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();

const now = Math.floor(Date.now() / 1000);
const claims = { iss: "tl-engine", aud: "tl-engine", sub: "alice", exp: now + 3600 };
const b64 = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const hmac = (input: string, key: string | Buffer, hash = "sha256") =>
  createHmac(hash, key).update(input).digest("base64url");

/** A token made by hand, since no library makes wrong ones. */
function make(
  payload: unknown = claims,
  header: unknown = { alg: "HS256", typ: "JWT" },
  key: string | Buffer = secret,
  hash = "sha256",
): string {
  const input = `${b64(header)}.${b64(payload)}`;
  return `${input}.${hmac(input, key, hash)}`;
}
const without = (name: keyof typeof claims) => {
  const { [name]: _, ...rest } = claims;
  return rest;
};
const good = make();
const [goodHeader = "", goodPayload = "", goodSignature = ""] = good.split(".");
const rsSigned = (header: object) => {
  const input = `${b64(header)}.${b64(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), rsa.privateKey).toString("base64url")}`;
};

/** Tokens of the promises' list: each is 401. */
const badTokens: [string, string][] = [
  ...["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256"].map((alg): [string, string] => [
    `alg ${JSON.stringify(alg)}, unsigned`,
    `${b64({ alg })}.${goodPayload}.`,
  ]),
  ...["none", "None", "NONE", "", "hs256"].map((alg): [string, string] => [
    `alg ${JSON.stringify(alg)}, signed`,
    make(claims, { alg }),
  ]),
  ["alg missing", make(claims, { typ: "JWT" })],
  ["alg a list", make(claims, { alg: ["HS256"] })],
  ["alg an object", make(claims, { alg: { HS256: true } })],
  ["alg null", make(claims, { alg: null })],
  ["alg __proto__", make(claims, '{"__proto__":{"alg":"HS256"}}')],
  ["HS384", make(claims, { alg: "HS384" }, secret, "sha384")],
  ["HS512", make(claims, { alg: "HS512" }, secret, "sha512")],
  ["HS256 signed as HS512", make(claims, { alg: "HS256" }, secret, "sha512")],
  ["HS256 with a public key as its secret", make(claims, { alg: "HS256" }, rsaPem)],
  ["RS256 signed with the secret", make(claims, { alg: "RS256" })],
  ["RS256 truly", rsSigned({ alg: "RS256" })],
  ["another secret", make(claims, { alg: "HS256" }, randomBytes(32))],
  ["an empty secret", make(claims, { alg: "HS256" }, "")],
  ...["secret", "password", "tl-engine", "null", "undefined", secret.slice(1)].map(
    (silly): [string, string] => [
      `secret ${silly.slice(0, 9)}`,
      make(claims, { alg: "HS256" }, silly),
    ],
  ),
  ["signature cut", good.slice(0, -4)],
  ["signature of another", `${goodHeader}.${b64({ ...claims, sub: "bob" })}.${goodSignature}`],
  ["signature missing", `${goodHeader}.${goodPayload}.`],
  ["two parts", `${goodHeader}.${goodPayload}`],
  ["four parts", `${good}.${goodSignature}`],
  ["five parts", `${good}.a.b`],
  ["one part", goodHeader],
  ["no text", "..."],
  ["padding", `${goodHeader}=.${goodPayload}=.${goodSignature}=`],
  ["kid a path", make(claims, { alg: "HS256", kid: "../../../../dev/null" })],
  ["kid SQL", make(claims, { alg: "HS256", kid: "x' UNION SELECT 'k" })],
  ["kid no text", make(claims, { alg: "HS256", kid: 1 })],
  ["jwk", make(claims, { alg: "HS256", jwk: { kty: "oct", k: b64(secret) } })],
  ["jku", make(claims, { alg: "HS256", jku: "https://evil.example/jwks" })],
  ["x5u", make(claims, { alg: "HS256", x5u: "https://evil.example/x" })],
  ["x5c", make(claims, { alg: "HS256", x5c: ["MII"] })],
  ["crit unknown", make(claims, { alg: "HS256", crit: ["x"], x: 1 })],
  ["crit b64", make(claims, { alg: "HS256", crit: ["b64"], b64: false })],
  ["header no object", make(claims, "[]")],
  ["header no JSON", make(claims, "nonsense")],
  ["expired", make({ ...claims, exp: now - 6 })],
  ["no exp", make(without("exp"))],
  ...['"9999999999"', "null", "0", "-1", "[9999999999]", "1e400", "true", "{}", '""'].map(
    (exp): [string, string] => [
      `exp ${exp}`,
      make(JSON.stringify({ ...claims, exp: "@" }).replace('"@"', exp)),
    ],
  ),
  ["nbf ahead", make({ ...claims, nbf: now + 60 })],
  ["nbf as text", make({ ...claims, nbf: "0" })],
  ["iat as text", make({ ...claims, iat: "0" })],
  ["payload null", make("null")],
  ["payload a list", make([claims])],
  ["payload a number", make("1")],
  ["payload a text", make('"alice"')],
  ["payload no JSON", make("{")],
  ["payload empty", make("")],
  [
    "payload bad UTF-8",
    (() => {
      const bytes = Buffer.concat([
        Buffer.from(JSON.stringify(claims).slice(0, -1)),
        Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      ]);
      const input = `${goodHeader}.${bytes.toString("base64url")}`;
      return `${input}.${hmac(input, secret)}`;
    })(),
  ],
  [
    "payload nested 5,000",
    make(`${JSON.stringify(claims).slice(0, -1)},"x":${"[".repeat(5000)}${"]".repeat(5000)}}`),
  ],
  [
    "payload nested 100",
    make(`${JSON.stringify(claims).slice(0, -1)},"x":${"[".repeat(100)}${"]".repeat(100)}}`),
  ],
  ["no sub", make(without("sub"))],
  ["sub empty", make({ ...claims, sub: "" })],
  ["sub a number", make({ ...claims, sub: 1 })],
  ["sub a list", make({ ...claims, sub: ["alice"] })],
  ["no iss", make(without("iss"))],
  ["iss of another", make({ ...claims, iss: "tl-engine2" })],
  ["iss a list", make({ ...claims, iss: ["tl-engine"] })],
  ["no aud", make(without("aud"))],
  ["aud of another", make({ ...claims, aud: "other" })],
  ["aud a list without ours", make({ ...claims, aud: ["a", "b"] })],
  ["aud an object", make({ ...claims, aud: { "tl-engine": true } })],
  ["too long", make({ ...claims, x: "x".repeat(9000) })],
];

const settings = { jwtIssuer: "tl-engine", jwtAudience: "tl-engine" };

describe("signed with a secret", () => {
  const verify = tokenVerifier({ ...settings, jwt: { kind: "secret", secret } });

  test("a good token is its issuer's and subject's", async () => {
    const caller = await verify(good);
    expect(caller).toMatchObject({ kind: "front_end", id: expect.stringMatching(/^jwt:/) });
    expect([...(caller?.scopes ?? [])]).toHaveLength(4);
    const same = await verify(make({ ...claims, exp: now + 60, scope: "engines:read" }));
    expect(same?.id).toBe(caller?.id);
    expect((await verify(make({ ...claims, sub: "bob" })))?.id).not.toBe(caller?.id);
  });

  test.each([
    ["aud a list with ours", { ...claims, aud: ["a", "tl-engine"] }],
    ["clocks 4 s apart", { ...claims, exp: now - 3, nbf: now + 3 }],
    ["no scope at all", { ...claims, scope: "" }],
  ])("taken: %s", async (_name, payload) => {
    expect(await verify(make(payload))).not.toBeNull();
  });

  test("where no tokens are configured, all are refused", async () => {
    expect(await tokenVerifier({ ...settings, jwt: null })(good)).toBeNull();
  });
});

describe("over HTTP", () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await openTestApi({ database: await freshDatabase() });
  });
  afterAll(async () => {
    expect(api.defects).toEqual([]);
    await api.close();
  });
  const ask = (headers: Record<string, string>, query = "") =>
    api.ask(`/api/v1/engines${query}`, { as: headers });

  test("a good token comes in", async () => {
    expect((await ask({ Authorization: `Bearer ${good}` })).status).toBe(200);
    expect((await ask({ Authorization: `bearer ${good}` })).status).toBe(200);
  });

  test("the list is as long as promised", () =>
    expect(badTokens.length).toBeGreaterThanOrEqual(60));

  test.each(badTokens)("401: %s", async (_name, token) => {
    const response = await ask({ Authorization: `Bearer ${token}` });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
    expect(response.headers.get("x-ratelimit-limit")).toBeNull();
    expect(await response.json()).toMatchObject({ code: "unauthorized", status: 401 });
  });

  test.each<[string, Record<string, string>, string]>([
    ["as Basic", { Authorization: `Basic ${good}` }, ""],
    ["bare", { Authorization: good }, ""],
    ["in a cookie", { Cookie: `token=${good}; access_token=${good}` }, ""],
    ["in the query", {}, `?access_token=${good}`],
    ["twice", { Authorization: `Bearer ${good}, Bearer ${good}` }, ""],
    ["with a word behind", { Authorization: `Bearer ${good} x` }, ""],
    ["as a key", { "X-API-Key": good }, ""],
    ["beside a key", { Authorization: `Bearer ${good}`, "X-API-Key": "x" }, ""],
    ["beside an empty key", { Authorization: `Bearer ${good}`, "X-API-Key": "" }, ""],
    ["an empty header", { Authorization: "" }, ""],
    ["no token", { Authorization: "Bearer " }, ""],
  ])("401: %s", async (_name, headers, query) => {
    expect((await ask(headers, query)).status).toBe(401);
  });
});

describe("signed with a key of a set", () => {
  let server: Server;
  let verify: VerifyToken;
  let answer: { status: number; body: string };
  let asked = 0;
  beforeAll(async () => {
    const keys = await Promise.all([
      exportJWK(rsa.publicKey).then((key) => ({ ...key, kid: "rsa", alg: "RS256", use: "sig" })),
      exportJWK(ec.publicKey).then((key) => ({ ...key, kid: "ec", alg: "ES256" })),
      exportJWK(ed.publicKey).then((key) => ({ ...key, kid: "ed", alg: "EdDSA" })),
    ]);
    answer = { status: 200, body: JSON.stringify({ keys }) };
    server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(answer.status, { "Content-Type": "application/json" }).end(answer.body);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    verify = remote();
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  });
  const remote = () =>
    tokenVerifier({
      ...settings,
      jwt: { kind: "jwks", url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks` },
    });
  const signed = (header: { alg: string; kid?: string }, payload: object = claims) => {
    const input = `${b64(header)}.${b64(payload)}`;
    const data = Buffer.from(input);
    const signature =
      header.alg === "EdDSA"
        ? sign(null, data, ed.privateKey)
        : header.alg === "ES256"
          ? sign("sha256", data, { key: ec.privateKey, dsaEncoding: "ieee-p1363" })
          : sign("sha256", data, rsa.privateKey);
    return `${input}.${signature.toString("base64url")}`;
  };

  test.each([
    { alg: "RS256", kid: "rsa" },
    { alg: "ES256", kid: "ec" },
    { alg: "EdDSA", kid: "ed" },
    { alg: "RS256" },
  ])("taken: %j", async (header) => {
    expect(await verify(signed(header))).not.toBeNull();
  });

  test.each<[string, () => string]>([
    ["HS256 with the public key", () => make(claims, { alg: "HS256", kid: "rsa" }, rsaPem)],
    [
      "HS256 with the key's JWK",
      () =>
        make(
          claims,
          { alg: "HS256", kid: "rsa" },
          JSON.stringify(createPublicKey(rsaPem).export({ format: "jwk" })),
        ),
    ],
    ["an unknown key", () => signed({ alg: "RS256", kid: "other" })],
    ["a key of another kind", () => signed({ alg: "RS256", kid: "ec" })],
    ["RS512", () => signed({ alg: "RS512", kid: "rsa" })],
    ["PS256", () => signed({ alg: "PS256", kid: "rsa" })],
    ["no exp", () => signed({ alg: "RS256", kid: "rsa" }, without("exp"))],
    ["none", () => `${b64({ alg: "none", kid: "rsa" })}.${b64(claims)}.`],
  ])("refused: %s", async (_name, token) => {
    expect(await verify(token())).toBeNull();
  });

  test("where the keys cannot be had, a token is not wrong: 503; and they are not asked for in a loop", async () => {
    const before = answer;
    for (const broken of [
      { status: 500, body: "" },
      { status: 200, body: "no JSON" },
      { status: 200, body: '{"keys":1}' },
      { status: 302, body: "" },
    ]) {
      answer = broken;
      asked = 0;
      const fresh = remote();
      for (let i = 0; i < 3; i++) {
        const error = await fresh(signed({ alg: "RS256", kid: "rsa" })).catch(
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(Refusal);
        expect((error as Refusal).code).toBe("unavailable");
      }
      expect(asked).toBe(1);
    }
    answer = before;
  });
});
