import { generateKeyPairSync } from "node:crypto";
import {
  connectionListSchema,
  connectionSchema,
  type Connection,
  type Problem,
} from "@tl-engine/contract";
import { openConnection } from "@tl-engine/shared/connections/open-connection.ts";
import { readConnection } from "@tl-engine/shared/connections/read-connection.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { selfSigned } from "../../../test/self-signed.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

const connections = "/api/v1/connections";
const baseUrl = "https://api.example.com";
let made = 0;
const newId = (): string => `c${++made}`;

async function create(json: object = {}): Promise<Connection> {
  const response = await api.ask(connections, {
    json: { id: newId(), kind: "http", base_url: baseUrl, ...json },
  });
  const connection = (await response.json()) as Connection;
  expect([response.status, connection]).toEqual([201, expect.anything()]);
  expect(response.headers.get("location")).toBe(`${connections}/${connection.id}`);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(connectionSchema.strict().parse(connection)).toEqual(connection);
  return connection;
}
const patch = (id: string, json: object) =>
  api.ask(`${connections}/${id}`, { method: "PATCH", json });
const code = async (response: Response) => ((await response.json()) as Problem).code;
/** As a worker has it. */
async function opened(id: string) {
  const stored = await readConnection(api.stack.db.pool, id);
  return openConnection(stored!, api.deps.secretBox);
}

describe("making one", () => {
  test("fills in what is left out, and shows it as it can be read again", async () => {
    const connection = await create({ id: "crm" });
    expect(connection).toEqual({
      id: "crm",
      kind: "http",
      base_url: baseUrl,
      description: null,
      headers: {},
      auth: { type: "none", secrets: [] },
      tls: { ca: null, certificate: null, secrets: [] },
      timeouts: { connect: "5s", first_byte: "30s", total: "30s" },
      retry: { max_retries: 0, initial: "200ms", max: "5s", max_retry_after: "60s" },
      methods: null,
      paths: null,
      concurrency: null,
      rate: null,
      breaker: { failures: 5, ratio: 0.5, window: "30s", open: "10s", max_open: "5m" },
      engines: null,
      callers: null,
      log: { bodies: false, max_body_bytes: 16_384, hide_paths: false },
      is_active: true,
      revision: expect.any(Number),
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    const read = await api.ask(`${connections}/crm`);
    expect(await read.json()).toEqual({ ...connection, circuit: expect.anything() });
    expect(await opened("crm")).toEqual({
      id: "crm",
      kind: "http",
      revision: connection.revision,
      baseUrl,
      headers: {},
      auth: { type: "none" },
      tls: { ca: null, certificate: null, privateKey: null },
      timeouts: { connectMs: 5_000, firstByteMs: 30_000, totalMs: 30_000 },
      retry: { maxRetries: 0, initialMs: 200, maxMs: 5_000, maxRetryAfterMs: 60_000 },
      methods: null,
      paths: null,
      concurrency: null,
      rate: null,
      breaker: { failures: 5, ratio: 0.5, windowMs: 30_000, openMs: 10_000, maxOpenMs: 300_000 },
      log: { bodies: false, maxBodyBytes: 16_384, hidePaths: false },
    });
  });

  test("takes all that it can have", async () => {
    const wanted = {
      base_url: "https://api.example.com/v2",
      description: "the CRM",
      headers: { "x-tenant": "acme", accept: "application/json" },
      timeouts: { connect: "2s", first_byte: "10s", total: "1m" },
      retry: { max_retries: 3, initial: "100ms", max: "2s", max_retry_after: "10s" },
      methods: ["GET", "POST"],
      paths: ["/contacts/*", "/v1/**", "/a/b-*"],
      concurrency: 7,
      rate: { limit: 100, per: "1m" },
      breaker: null,
      engines: ["http.request"],
      callers: ["plane", "key:AbCdEfGhIjKl"],
      log: { bodies: true, max_body_bytes: 1024, hide_paths: true },
      is_active: false,
    };
    const connection = await create(wanted);
    expect(connection).toMatchObject(wanted);
    expect(await opened(connection.id)).toMatchObject({
      baseUrl: wanted.base_url,
      rate: { limit: 100, perMs: 60_000 },
      breaker: null,
      log: { bodies: true, maxBodyBytes: 1024, hidePaths: true },
    });
  });

  test.each([
    ["http", "HTTPS://API.Example.COM:443/v2//", "https://api.example.com/v2"],
    ["http", "http://127.1:8080", "http://127.0.0.1:8080"],
    ["http", "https://[::1]:8443/a/../b", "https://[::1]:8443/b"],
    ["grpc", "grpcs://api.example.com:443", "grpcs://api.example.com:443"],
    ["grpc", "grpc://0x7f.1:80/", "grpc://127.0.0.1:80"],
    ["websocket", "wss://example.com/feed", "wss://example.com/feed"],
    ["smtp", "smtp://mail.example.com:587", "smtp://mail.example.com:587"],
    ["smtp", "smtps://mail.example.com", "smtps://mail.example.com"],
  ])("%s reads %s as every client does", async (kind, base_url, shown) => {
    expect((await create({ kind, base_url })).base_url).toBe(shown);
  });

  test("an id is taken once", async () => {
    const { id } = await create();
    const again = await api.ask(connections, { json: { id, kind: "http", base_url: baseUrl } });
    expect([again.status, await code(again)]).toEqual([409, "connection_exists"]);
  });
});

const rsa = (bits: number) =>
  generateKeyPairSync("rsa", { modulusLength: bits })
    .privateKey.export({ type: "pkcs1", format: "pem" })
    .toString();
const ec = (namedCurve: string) =>
  generateKeyPairSync("ec", { namedCurve })
    .privateKey.export({ type: "sec1", format: "pem" })
    .toString();
const whsec = `whsec_${Buffer.alloc(24, "standard-webhooks").toString("base64")}`;
const oauth = {
  type: "oauth2_client_credentials",
  token_url: "https://id.example.com/token",
  client_id: "me",
  client_auth: "basic",
};
const mtls = selfSigned(["example.com"]);
const other = selfSigned(["example.com"]);

describe("auth", () => {
  test.each<[object, string[], object]>([
    [
      { type: "api_key", in: "header", name: "X-Api-Key", value: "secret-1" },
      ["value"],
      { name: "X-Api-Key", value: "secret-1" },
    ],
    [
      { type: "api_key", in: "query", name: "key", value: "secret-1" },
      ["value"],
      { in: "query", value: "secret-1" },
    ],
    [{ type: "bearer", token: "secret-1" }, ["token"], { token: "secret-1" }],
    [
      { type: "basic", username: "me", password: "secret-1ß" },
      ["password"],
      { username: "me", password: "secret-1ß" },
    ],
    [
      { ...oauth, client_secret: "secret-1", scope: "a b" },
      ["client_secret"],
      { tokenUrl: oauth.token_url, clientSecret: "secret-1", privateKey: null, scope: "a b" },
    ],
    [
      {
        ...oauth,
        type: "oauth2_refresh_token",
        client_auth: "post",
        client_secret: "secret-1",
        refresh_token: "secret-2",
      },
      ["client_secret", "refresh_token"],
      { clientAuth: "post", clientSecret: "secret-1", refreshToken: "secret-2", algorithm: null },
    ],
    [
      { ...oauth, client_auth: "private_key_jwt", private_key: rsa(2048), key_id: "k1" },
      ["private_key"],
      {
        privateKey: expect.stringContaining("-----BEGIN PRIVATE KEY-----"),
        algorithm: "RS256",
        keyId: "k1",
        clientSecret: null,
      },
    ],
    [
      { ...oauth, client_auth: "private_key_jwt", private_key: ec("P-384") },
      ["private_key"],
      { algorithm: "ES384" },
    ],
    [
      { type: "hmac", scheme: "standard_webhooks", signing_secrets: [whsec, whsec] },
      ["signing_secrets"],
      { secrets: [whsec, whsec], header: "webhook-signature", prefix: "v1," },
    ],
    [
      {
        type: "hmac",
        scheme: "sha256",
        signing_secrets: ["secret-1"],
        header: "X-Hub-Signature-256",
        prefix: "sha256=",
      },
      ["signing_secrets"],
      { secrets: ["secret-1"], header: "x-hub-signature-256", prefix: "sha256=" },
    ],
  ])("%j", async (auth, secrets, door) => {
    const { id, auth: shown } = await create({ auth });
    expect(shown.secrets).toEqual(secrets);
    expect(Object.keys(shown).filter((name) => secrets.includes(name))).toEqual([]);
    expect((await opened(id)).auth).toMatchObject(door);
  });

  test("a certificate and its key", async () => {
    const tls = { ca: other.cert, certificate: mtls.cert, private_key: mtls.key };
    const { id, tls: shown } = await create({ tls });
    expect(shown).toEqual({ ca: other.cert, certificate: mtls.cert, secrets: ["private_key"] });
    expect((await opened(id)).tls).toEqual({
      ca: other.cert,
      certificate: mtls.cert,
      privateKey: mtls.key,
    });
  });
});

describe("what is wrong is named", () => {
  const hub = { type: "hmac", scheme: "sha256", signing_secrets: ["x"] };
  const standard = { type: "hmac", scheme: "standard_webhooks" };
  const jwt = { ...oauth, client_auth: "private_key_jwt" };
  test.each<[object, string]>([
    [{ id: "Up" }, "/id"],
    [{ id: undefined }, "/id"],
    [{ kind: "ftp" }, "/kind"],
    [{ bogus: 1 }, "/bogus"],
    [{ revision: 1 }, "/revision"],
    [{ base_url: "ftp://x" }, "/base_url"],
    [{ base_url: "https://user:pw@x" }, "/base_url"],
    [{ base_url: "https://x?a=1" }, "/base_url"],
    [{ base_url: "https://x#a" }, "/base_url"],
    [{ base_url: "https://x\\@y" }, "/base_url"],
    [{ base_url: "https://x y" }, "/base_url"],
    [{ base_url: "https://x:0" }, "/base_url"],
    [{ base_url: "https://x:70000" }, "/base_url"],
    [{ base_url: "https://" }, "/base_url"],
    [{ base_url: "x" }, "/base_url"],
    [{ base_url: "wss://x" }, "/base_url"],
    [{ kind: "grpc", base_url: "https://x" }, "/base_url"],
    [{ kind: "grpc", base_url: "grpcs://x/y" }, "/base_url"],
    [{ kind: "smtp", base_url: "smtp://me@x" }, "/base_url"],
    [{ headers: { Authorization: "Bearer x" } }, "/headers/Authorization"],
    [{ headers: { Cookie: "a=b" } }, "/headers/Cookie"],
    [{ headers: { "X-API-Key": "x" } }, "/headers/X-API-Key"],
    [{ headers: { "api-key": "x" } }, "/headers/api-key"],
    [{ headers: { "X-Auth-Token": "x" } }, "/headers/X-Auth-Token"],
    [{ headers: { "x-goog-api-key": "x" } }, "/headers/x-goog-api-key"],
    [{ headers: { Host: "x" } }, "/headers/Host"],
    [{ headers: { "a b": "x" } }, "/headers/a b"],
    [{ headers: { "x-a": "a\r\nb: c" } }, "/headers/x-a"],
    [{ headers: { "x-a": "1", "X-A": "2" } }, "/headers/X-A"],
    [{ headers: { "x-a": 1 } }, "/headers/x-a"],
    [{ auth: { type: "digest" } }, "/auth/type"],
    [{ auth: {} }, "/auth/type"],
    [{ auth: { type: "none", token: "x" } }, "/auth/token"],
    [{ auth: { type: "bearer" } }, "/auth/token"],
    [{ auth: { type: "bearer", token: "a b" } }, "/auth/token"],
    [{ auth: { type: "basic", username: "a:b", password: "x" } }, "/auth/username"],
    [{ auth: { type: "basic", username: "a" } }, "/auth/password"],
    [{ auth: { type: "basic", username: "a", password: "x\n" } }, "/auth/password"],
    [{ auth: { type: "api_key", in: "body", name: "a", value: "x" } }, "/auth/in"],
    [{ auth: { type: "api_key", in: "header", name: "Host", value: "x" } }, "/auth/name"],
    [{ auth: { type: "api_key", in: "header", name: "a:b", value: "x" } }, "/auth/name"],
    [{ auth: { type: "api_key", in: "header", name: "k", value: "x\r\nb: c" } }, "/auth/value"],
    [
      { auth: { type: "api_key", in: "header", name: "X-A", value: "x" }, headers: { "x-a": "1" } },
      "/auth/name",
    ],
    [{ auth: oauth }, "/auth/client_secret"],
    [{ auth: { ...oauth, client_secret: "x", token_url: "id.example.com" } }, "/auth/token_url"],
    [{ auth: { ...oauth, client_secret: "x", token_url: "https://a@b/" } }, "/auth/token_url"],
    [{ auth: { ...oauth, client_secret: "x", private_key: ec("P-256") } }, "/auth/private_key"],
    [{ auth: { ...oauth, client_secret: "x", key_id: "k" } }, "/auth/key_id"],
    [{ auth: { ...oauth, client_auth: "none" } }, "/auth/client_auth"],
    [{ auth: { ...jwt, client_secret: "x" } }, "/auth/client_secret"],
    [{ auth: jwt }, "/auth/private_key"],
    [{ auth: { ...jwt, private_key: "x" } }, "/auth/private_key"],
    [
      { auth: { ...jwt, private_key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END…" } },
      "/auth/private_key",
    ],
    [{ auth: { ...jwt, private_key: rsa(1024) } }, "/auth/private_key"],
    [{ auth: { ...jwt, private_key: ec("secp256k1") } }, "/auth/private_key"],
    [{ auth: { ...jwt, private_key: ec("P-256"), algorithm: "RS256" } }, "/auth/algorithm"],
    [
      { auth: { ...oauth, type: "oauth2_refresh_token", client_secret: "x" } },
      "/auth/refresh_token",
    ],
    [{ auth: hub }, "/auth/header"],
    [{ auth: { ...hub, header: "Content-Length" } }, "/auth/header"],
    [{ auth: { ...hub, header: "x-s", signing_secrets: ["a", "b"] } }, "/auth/signing_secrets/1"],
    [{ auth: { ...standard, signing_secrets: ["x"] } }, "/auth/signing_secrets/0"],
    [{ auth: { ...standard, signing_secrets: [] } }, "/auth/signing_secrets"],
    [{ auth: { ...standard, signing_secrets: [whsec], header: "x" } }, "/auth/header"],
    [{ kind: "smtp", base_url: "smtp://x", auth: { type: "bearer", token: "x" } }, "/auth/type"],
    [
      { kind: "websocket", base_url: "wss://x", auth: { ...hub, header: "x-signature" } },
      "/auth/type",
    ],
    [
      {
        kind: "grpc",
        base_url: "grpcs://x",
        auth: { type: "api_key", in: "query", name: "k", value: "x" },
      },
      "/auth/in",
    ],
    [{ tls: { ca: "x" } }, "/tls/ca"],
    [{ tls: { ca: mtls.key } }, "/tls/ca"],
    [{ tls: { ca: `${mtls.cert}${mtls.key}` } }, "/tls/ca"],
    [{ tls: { ca: mtls.cert.replace("END", "eND") } }, "/tls/ca"],
    [{ tls: { ca: selfSigned(["x"], -1).cert } }, "/tls/ca"],
    [{ tls: { certificate: mtls.cert } }, "/tls/private_key"],
    [{ tls: { private_key: mtls.key } }, "/tls/private_key"],
    [{ tls: { certificate: mtls.cert, private_key: other.key } }, "/tls/private_key"],
    [{ tls: { certificate: mtls.key, private_key: mtls.key } }, "/tls/certificate"],
    [{ base_url: "http://x", tls: { ca: mtls.cert } }, "/tls/ca"],
    [{ timeouts: { connect: "5" } }, "/timeouts/connect"],
    [{ timeouts: { connect: "31s" } }, "/timeouts/connect"],
    [{ timeouts: { total: "0s" } }, "/timeouts/total"],
    [{ timeouts: { read: "1s" } }, "/timeouts/read"],
    [{ retry: { max_retries: 11 } }, "/retry/max_retries"],
    [{ retry: { initial: "10s", max: "1s" } }, "/retry/max"],
    [{ breaker: { ratio: 0 } }, "/breaker/ratio"],
    [{ breaker: { open: "1m", max_open: "1s" } }, "/breaker/max_open"],
    [{ breaker: false }, "/breaker"],
    [{ rate: { per: "1s" } }, "/rate/limit"],
    [{ rate: { limit: 1, per: "1ms" } }, "/rate/per"],
    [{ concurrency: 0 }, "/concurrency"],
    [{ methods: ["get"] }, "/methods/0"],
    [{ methods: ["CONNECT"] }, "/methods/0"],
    [{ methods: [] }, "/methods"],
    [{ kind: "grpc", base_url: "grpc://x", methods: ["POST"] }, "/methods"],
    [{ paths: ["v1/*"] }, "/paths/0"],
    [{ paths: ["/v1?x=1"] }, "/paths/0"],
    [{ paths: ["/v1/../x"] }, "/paths/0"],
    [{ paths: ["/v1/%2E%2e/x"] }, "/paths/0"],
    [{ paths: ["/v1/a**"] }, "/paths/0"],
    [{ kind: "smtp", base_url: "smtp://x", paths: ["/x"] }, "/paths"],
    [{ engines: ["A"] }, "/engines/0"],
    [{ callers: ["alice"] }, "/callers/0"],
    [{ log: { max_body_bytes: 0 } }, "/log/max_body_bytes"],
    [{ is_active: "yes" }, "/is_active"],
  ])("422 %j", async (json, pointer) => {
    const response = await api.ask(connections, {
      json: { id: newId(), kind: "http", base_url: baseUrl, ...json },
    });
    expect(response.status).toBe(422);
    const { errors } = (await response.json()) as Problem;
    expect(errors?.map((error) => error.pointer)).toContain(pointer);
    expect(errors?.find((error) => error.pointer === pointer)?.detail).toMatch(/\w/);
  });

  test("all that is wrong is named at once", async () => {
    const response = await api.ask(connections, {
      json: {
        id: "x",
        kind: "smtp",
        base_url: "https://x/?q",
        auth: { type: "bearer" },
        methods: ["GET"],
      },
    });
    const { errors } = (await response.json()) as Problem;
    expect(errors?.map(({ pointer }) => pointer).toSorted()).toEqual([
      "/auth/token",
      "/auth/type",
      "/base_url",
      "/methods",
    ]);
  });
});

describe("changes", () => {
  const auth = { ...oauth, client_secret: "secret-1" };

  test("replace what is given, keep the rest, and raise the revision", async () => {
    const before = await create({ auth, headers: { a: "1" }, concurrency: 3 });
    const response = await patch(before.id, {
      headers: { b: "2" },
      concurrency: null,
      timeouts: { connect: "1s" },
      is_active: false,
    });
    expect(response.status).toBe(200);
    const after = (await response.json()) as Connection;
    expect(after).toEqual({
      ...before,
      headers: { b: "2" },
      concurrency: null,
      timeouts: { connect: "1s", first_byte: "30s", total: "30s" },
      is_active: false,
      revision: expect.any(Number),
      updated_at: expect.any(String),
    });
    expect(after.revision).toBeGreaterThan(before.revision);
    expect((await opened(before.id)).auth).toMatchObject({ clientSecret: "secret-1" });
    expect(await (await patch(before.id, {})).json()).toMatchObject({ headers: { b: "2" } });
  });

  test("keep secrets that are left out, while the type stays", async () => {
    const { id } = await create({ auth });
    const read = async () => (await opened(id)).auth;
    await patch(id, { auth: { ...oauth, scope: "more" } });
    expect(await read()).toMatchObject({ scope: "more", clientSecret: "secret-1" });
    await patch(id, { auth: { ...oauth, client_secret: "secret-2" } });
    expect(await read()).toMatchObject({ scope: null, clientSecret: "secret-2" });
    // What has no place any more goes.
    await patch(id, { auth: { ...oauth, client_auth: "private_key_jwt", private_key: mtls.key } });
    expect(await read()).toMatchObject({ clientSecret: null, algorithm: "ES256" });
    const back = await patch(id, { auth: oauth });
    expect([back.status, await code(back)]).toEqual([422, "invalid_input"]);
    // Another type has secrets of its own.
    const bare = await patch(id, { auth: { type: "bearer" } });
    expect(bare.status).toBe(422);
    expect((await patch(id, { auth: { type: "none" } })).status).toBe(200);
    const stored = await readConnection(api.stack.db.pool, id);
    expect(stored?.secrets).toBeNull();
  });

  test("of auth keep the key of tls, and the other way round", async () => {
    const { id } = await create({
      auth,
      tls: { certificate: mtls.cert, private_key: mtls.key },
    });
    await patch(id, { tls: { certificate: mtls.cert, ca: other.cert } });
    await patch(id, { auth: { ...oauth, client_secret: "secret-2" } });
    expect(await opened(id)).toMatchObject({
      auth: { clientSecret: "secret-2" },
      tls: { ca: other.cert, privateKey: mtls.key },
    });
    expect((await patch(id, { tls: { certificate: other.cert } })).status).toBe(422);
    await patch(id, { tls: {} });
    expect(await opened(id)).toMatchObject({
      auth: { clientSecret: "secret-2" },
      tls: { ca: null, certificate: null, privateKey: null },
    });
  });

  test("look at the whole: what does not fit what there is, is refused", async () => {
    const { id } = await create({ tls: { ca: mtls.cert } });
    const plain = await patch(id, { base_url: "http://x" });
    expect(plain.status).toBe(422);
    expect((await patch(id, { base_url: "http://x", tls: {} })).status).toBe(200);
    for (const json of [{ kind: "grpc" }, { id: "other" }, { revision: 1 }]) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await patch(id, json)).status).toBe(422);
    }
  });

  test("that come together are all made", async () => {
    const { id } = await create();
    await Promise.all([
      patch(id, { concurrency: 3 }),
      patch(id, { description: "d" }),
      patch(id, { methods: ["GET"] }),
      patch(id, { is_active: false }),
    ]);
    expect(await (await api.ask(`${connections}/${id}`)).json()).toMatchObject({
      concurrency: 3,
      description: "d",
      methods: ["GET"],
      is_active: false,
    });
  });

  test("are told to all processes", async () => {
    const heard: string[] = [];
    api.stack.signals.subscribe("connections", (id) => void heard.push(id));
    const { id } = await create();
    await expect.poll(() => heard).toEqual([id]);
    await patch(id, {});
    await expect.poll(() => heard).toEqual([id, id]);
    await api.ask(`${connections}/${id}`, { method: "DELETE" });
    await expect.poll(() => heard).toEqual([id, id, id]);
  });
});

test("the list shows all by id, in pages", async () => {
  await create({ id: "a-first" });
  await create({ id: "a.second" });
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.ask(
      `${connections}?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`,
    );
    const answer = connectionListSchema.parse(await page.json());
    ids.push(...answer.connections.map((connection) => connection.id));
    cursor = answer.next_cursor;
  } while (cursor !== null);
  expect(ids.slice(0, 2)).toEqual(["a-first", "a.second"]);
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
  const { rows } = await api.stack.db.pool.query("SELECT 1 FROM connections");
  expect(rows.length).toBe(ids.length);
});

describe("deleting", () => {
  test("removes it, and one that is made anew is another", async () => {
    const { id, revision } = await create({ auth: { type: "bearer", token: "x" } });
    const gone = await api.ask(`${connections}/${id}`, { method: "DELETE" });
    expect([gone.status, await gone.text()]).toEqual([204, ""]);
    const read = await api.ask(`${connections}/${id}`);
    expect([read.status, await code(read)]).toEqual([404, "connection_not_found"]);
    expect((await create({ id })).revision).toBeGreaterThan(revision);
  });

  test.each(["nobody", "UP", "%00", "' OR 1=1"])("404 for %j", async (id) => {
    const path = `${connections}/${encodeURIComponent(id)}`;
    for (const [address, method] of [
      [path, "GET"],
      [path, "PATCH"],
      [path, "DELETE"],
      [`${path}/test`, "POST"],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await api.ask(address, {
        method,
        ...(method === "GET" ? {} : { body: "x" }),
      });
      // oxlint-disable-next-line no-await-in-loop
      expect([response.status, await code(response)]).toEqual([404, "connection_not_found"]);
    }
  });
});

test("they are tl-plane's alone", async () => {
  const as = await api.program();
  for (const [path, method] of [
    [connections, "GET"],
    [connections, "POST"],
    [`${connections}/crm`, "GET"],
    [`${connections}/crm`, "PATCH"],
    [`${connections}/crm`, "DELETE"],
    [`${connections}/crm/test`, "POST"],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop
    const response = await api.ask(path, { method, as });
    // oxlint-disable-next-line no-await-in-loop
    expect([response.status, await code(response)]).toEqual([403, "forbidden"]);
  }
});
