import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client, Connection, CreateConnectionBody } from "@tl-engine/client";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { findSecrets, textOfDatabase, textOfRedis, type Kept } from "../test/everything-kept.ts";
import { selfSigned } from "../test/self-signed.ts";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { request, type RequestOptions } from "./support/request.ts";

// What a connection keeps secret reaches the other side, and is found in no other place: after one connection of each
// kind of auth was made, shown, changed and used, well and badly.

let database: FreshDatabase;
let redisUrl: string | null;
let deployment: Deployment;
let upstream: Server;
let plane: Client;
/** What the other side was sent. */
const arrived: string[] = [];
/** Whatever the API answered. */
const answers: Kept[] = [];
const secrets: Record<string, string> = {};

/** A secret that is looked for afterwards. */
function secret(name: string, value = `${name}-${randomBytes(12).toString("hex")}`): string {
  // PEM is many lines, and JSON writes each of their ends as two characters.
  const marker = value.split("\n").find((line) => /^[\w+/=]{40,}$/.test(line)) ?? value;
  secrets[name] = marker;
  return value;
}

async function ask(path: string, options: RequestOptions = {}) {
  const answer = await request(`${deployment.apis[0]!.url}/api/v1${path}`, {
    headers: { "x-api-key": deployment.planeKey },
    ...options,
  });
  const head = JSON.stringify([...answer.headers]);
  answers.push({ place: `${options.method ?? "GET"} ${path}`, text: `${head}\n${answer.text}` });
  return answer;
}

const rsa = (): string =>
  generateKeyPairSync("rsa", { modulusLength: 2048 })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
const mine = selfSigned(["localhost"]);
const oauth = { token_url: "", client_id: "me" };

function connectionsOfEachAuth(): Record<string, Partial<CreateConnectionBody>> {
  const client = { ...oauth, type: "oauth2_client_credentials" } as const;
  return {
    bearer: { auth: { type: "bearer", token: secret("bearer") } },
    header: { auth: { type: "api_key", in: "header", name: "X-Key", value: secret("header") } },
    query: { auth: { type: "api_key", in: "query", name: "key", value: secret("query") } },
    basic: { auth: { type: "basic", username: "me", password: secret("basic") } },
    sha256: {
      auth: {
        type: "hmac",
        scheme: "sha256",
        header: "x-signature",
        signing_secrets: [secret("sha256")],
      },
    },
    standard: {
      auth: {
        type: "hmac",
        scheme: "standard_webhooks",
        signing_secrets: [
          `whsec_${secret("standard", randomBytes(33).toString("base64"))}`,
          `whsec_${secret("standard-previous", randomBytes(33).toString("base64"))}`,
        ],
      },
    },
    "oauth-basic": {
      auth: { ...client, client_auth: "basic", client_secret: secret("oauth-basic") },
    },
    "oauth-post": { auth: { ...client, client_auth: "post", client_secret: secret("oauth-post") } },
    "oauth-jwt": {
      auth: { ...client, client_auth: "private_key_jwt", private_key: secret("oauth-jwt", rsa()) },
    },
    "oauth-refresh": {
      auth: {
        ...oauth,
        type: "oauth2_refresh_token",
        client_auth: "post",
        client_secret: secret("oauth-refresh-client"),
        refresh_token: secret("oauth-refresh"),
      },
    },
    mtls: {
      base_url: "https://localhost:1",
      tls: { certificate: mine.cert, private_key: secret("mtls", mine.key) },
    },
    smtp: {
      kind: "smtp",
      base_url: "smtp://127.0.0.1:1",
      auth: { type: "basic", username: "me", password: secret("smtp") },
    },
  };
}

beforeAll(async () => {
  database = await freshDatabase();
  redisUrl = hasRedis() ? await freshRedis() : null;
  upstream = createServer((asked, response) => {
    const chunks: Buffer[] = [];
    asked.on("data", (chunk: Buffer) => void chunks.push(chunk));
    asked.on("end", () => {
      arrived.push([asked.url, JSON.stringify(asked.headers), Buffer.concat(chunks)].join("\n"));
      if (asked.url !== "/token") response.writeHead(asked.url?.includes("bad") ? 500 : 200).end();
      else {
        const token = secret(`access-token-${arrived.length}`);
        response.setHeader("content-type", "application/json");
        response.end(
          JSON.stringify({ access_token: token, token_type: "Bearer", expires_in: 3600 }),
        );
      }
    });
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const address = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  oauth.token_url = `http://${address}/token`;
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl,
    apis: 1,
    workers: 1,
    env: { TL_OUTBOUND_ALLOW: address, LOG_LEVEL: "debug" },
  });
  plane = deployment.client();
  secrets["TL_SECRET_KEY"] = deployment.secrets[1] ?? "";

  for (const [id, own] of Object.entries(connectionsOfEachAuth())) {
    const body = { id, kind: "http", base_url: `http://${address}`, ...own };
    const { auth = { type: "none" }, tls = {}, is_active: _isActive, ...rest } = body;
    // Wrong first, in ways that name members beside the secret ones, and the secret ones themselves.
    const wrong = [
      { ...body, bogus: 1 },
      { ...body, base_url: "nowhere" },
      { ...body, kind: "grpc" },
      { ...body, auth: { ...auth, bogus: 1 } },
      { ...body, auth: { ...auth, type: "none" } },
      { ...body, auth: { ...auth, type: "digest" } },
      {
        ...body,
        auth: Object.fromEntries(Object.entries(auth).map(([k, v]) => [k, `${String(v)}\n`])),
      },
      { ...body, auth: JSON.stringify(auth) },
      { ...body, tls: { ...tls, ca: (tls as { private_key?: string }).private_key ?? "x" } },
    ];
    const refused: number[] = [];
    for (const json of wrong) {
      const { status } = await ask("/connections", { json: { ...json, id: `${id}-wrong` } });
      if (status === 422) refused.push(status);
    }
    expect(refused.length).toBeGreaterThan(5);
    expect((await ask("/connections", { json: body })).status).toBe(201);
    expect((await ask("/connections", { json: body })).status).toBe(409);
    await ask(`/connections/${id}`);
    expect((await ask(`/connections/${id}`, { method: "PATCH", json: rest })).status).toBe(422);
    const json = { description: "d", auth, tls };
    expect((await ask(`/connections/${id}`, { method: "PATCH", json })).status).toBe(200);
    const tested = await ask(`/connections/${id}/test`, { method: "POST" });
    expect([200, 422]).toContain(tested.status);
    await ask(`/connections/${id}/test`, { json: { path: "/bad" } });
  }
  secrets["basic header"] = btoa(`me:${secrets["basic"]}`);
  await ask("/executions?include=output");
  const { connections } = (await ask("/connections")).json as { connections: Connection[] };
  await ask(`/connections/${connections[0]?.id}`, { method: "DELETE" });
  for await (const { execution_id: id } of plane.list()) {
    await ask(`/executions/${id}?include=attempts,calls,input`);
  }
}, 120_000);
afterAll(async () => {
  await deployment?.stop();
  upstream?.closeAllConnections();
  upstream?.close();
  await database?.drop({ force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

const processes = () => [...deployment.apis, ...deployment.workers];

test("they reach the other side", () => {
  const sent = [{ place: "the other side", text: arrived.join("\n") }];
  const reached = findSecrets(sent, secrets).map((found) => found.split(" in ")[0]);
  expect(reached).toEqual(
    expect.arrayContaining(["bearer", "header", "query", "oauth-post", "oauth-refresh"]),
  );
});

test.each<[string, () => Kept[] | Promise<Kept[]>]>([
  ["PostgreSQL", () => textOfDatabase(database.url)],
  ["Redis", () => (redisUrl === null ? [] : textOfRedis(redisUrl))],
  ["the logs", () => processes().map((one) => ({ place: one.name, text: one.text() }))],
  ["the answers", () => answers],
])("not in %s", async (_name, read) => {
  expect(findSecrets(await read(), secrets)).toEqual([]);
});

test("the search would find them", async () => {
  const [first = ""] = Object.values(secrets);
  await plane.execute("echo", { note: first });
  expect(findSecrets(await textOfDatabase(database.url), secrets)).toEqual([
    expect.stringContaining("in public.executions"),
  ]);
});
