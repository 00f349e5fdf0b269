import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Client } from "@tl-engine/client";
import type { Execution } from "@tl-engine/contract";
import { closeDatabase, openDatabase, type Database } from "@tl-engine/shared/db/database.ts";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { eventually } from "./support/eventually.ts";
import { request } from "./support/request.ts";

/** What must be in no log. */
const secrets = ["b34rer-s3cret-1", "b34rer-s3cret-2", "cl13nt-s3cret", "acc3ss-t0ken"];

interface Heard {
  url: string;
  authorization: string | undefined;
}

let database: FreshDatabase;
let deployment: Deployment;
let plane: Client;
let record: Database;
let peer: Server;
let origin: string;
let heard: Heard[] = [];
let tokensGiven = 0;
/** How the peer answers what is no request for a token. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const fine = (_: IncomingMessage, response: ServerResponse): void => void response.end("{}");

beforeAll(async () => {
  peer = createServer((request, response) => {
    request.resume();
    if (request.url === "/token") {
      tokensGiven += 1;
      response.setHeader("Content-Type", "application/json");
      const token = { access_token: `acc3ss-t0ken-${tokensGiven}`, token_type: "Bearer" };
      response.end(JSON.stringify({ ...token, expires_in: 3600 }));
      return;
    }
    heard.push({ url: request.url ?? "", authorization: request.headers.authorization });
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(peer, "listening");
  const host = `127.0.0.1:${(peer.address() as AddressInfo).port}`;
  origin = `http://${host}`;
  database = await freshDatabase();
  record = openDatabase({
    url: database.url,
    max: 2,
    applicationName: "tl-test",
    onError: () => undefined,
  });
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 2,
    engines: ["crm"],
    env: { TL_OUTBOUND_ALLOW: host },
  });
  plane = deployment.client();
});

afterAll(async () => {
  await deployment?.stop();
  if (record) await closeDatabase(record);
  peer?.closeAllConnections();
  peer?.close();
  await database?.drop({ force: true });
});

beforeEach(() => {
  deployment.showLogsOnFailure(onTestFailed);
  heard = [];
  answer = fine;
});

type Settings = Parameters<Client["connections"]["create"]>[0];

/** Makes `crm` anew. */
async function connect(settings: Partial<Settings> = {}): Promise<void> {
  await plane.connections.delete("crm").catch(() => undefined);
  await plane.connections.create({
    id: "crm",
    kind: "http",
    base_url: `${origin}/v2`,
    auth: { type: "bearer", token: "b34rer-s3cret-1" },
    ...settings,
  });
}

async function submit(engine = "crm.contact", input: object = {}, client = plane): Promise<string> {
  return (await client.execute(engine, input)).execution_id;
}

const ended = (id: string, client = plane): Promise<Execution> =>
  client.wait(id, { timeoutMs: 60_000 });

/** How it is once that holds. */
function until(id: string, holds: (execution: Execution) => boolean): Promise<Execution> {
  return eventually(
    `${id} is as it should be`,
    async () => {
      const execution = await plane.status(id);
      return holds(execution) ? execution : null;
    },
    { withinMs: 60_000 },
  );
}

async function callers(): Promise<[name: string, client: Client, id: string][]> {
  const { key, id } = await plane.keys.create({ name: "sync" });
  return [
    ["tl-plane", plane, "plane"],
    ["a program", deployment.client(0, { apiKey: key }), `key:${id}`],
  ];
}

test("an engine calls through a connection, inline and from a process, for whoever may", async () => {
  await connect();
  for (const [name, client] of await callers()) {
    for (const engine of ["crm.contact", "crm.process"]) {
      const execution = await ended(await submit(engine, {}, client), client);
      expect({ name, ...execution }).toMatchObject({
        status: "succeeded",
        output: { status: 200 },
      });
      expect(heard.splice(0)).toEqual([
        { url: "/v2/contacts", authorization: "Bearer b34rer-s3cret-1" },
      ]);
    }
  }
});

test("http.request calls through one by its name", async () => {
  await connect();
  const execution = await ended(
    await submit("http.request", { connection: "crm", url: "/contacts", query: { page: 2 } }),
  );
  expect(execution).toMatchObject({ status: "succeeded", output: { status: 200, body: {} } });
  expect(heard).toEqual([{ url: "/v2/contacts?page=2", authorization: "Bearer b34rer-s3cret-1" }]);
});

test("who may not use it is refused in the same words as where there is none", async () => {
  const [, [, program, id]] = (await callers()) as [unknown, [string, Client, string]];
  const refused: [string, Partial<Settings>][] = [
    ["its engine is not named", { engines: ["crm.process"] }],
    ["its caller is not named", { callers: ["plane"] }],
    ["it is switched off", { is_active: false }],
    ["it is of another kind", { kind: "grpc", base_url: origin.replace("http", "grpc") }],
  ];
  const texts = new Set<string>();
  for (const [why, settings] of refused) {
    await connect(settings);
    const execution = await ended(await submit("crm.contact", {}, program), program);
    expect({ why, ...execution }).toMatchObject({
      status: "failed",
      error: { code: "outbound_refused", retryable: false },
    });
    texts.add(execution.error?.detail ?? "");
  }
  await plane.connections.delete("crm");
  const none = await ended(await submit("crm.contact", {}, program), program);
  texts.add(none.error?.detail ?? "");
  expect([...texts]).toHaveLength(1);
  expect(heard).toEqual([]);

  await connect({ engines: ["crm.contact"], callers: [id] });
  expect(await ended(await submit("crm.contact", {}, program), program)).toMatchObject({
    status: "succeeded",
  });
});

test("a change is heard of by all workers, also where nobody was told", async () => {
  await connect();
  await ended(await submit());
  await plane.connections.change("crm", { auth: { type: "bearer", token: "b34rer-s3cret-2" } });
  await eventually("the new credential is used", async () => {
    heard = [];
    await ended(await submit());
    return heard[0]?.authorization === "Bearer b34rer-s3cret-2" ? true : null;
  });
  // As if the signal had been lost.
  await record.pool.query("UPDATE connections SET is_active = false WHERE id = 'crm'");
  await eventually("it is off, for all workers", async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => submit()));
    const all = await Promise.all(ids.map((id) => ended(id)));
    return all.every(({ status }) => status === "failed") ? true : null;
  });
});

test("a broken system parks what needs it, and costs no attempt beyond those that found it broken", async () => {
  await connect({
    breaker: { failures: 3, ratio: 0.5, window: "30s", open: "1s", max_open: "2s" },
  });
  answer = (_, response) => void response.writeHead(503).end();
  const ids = await Promise.all(Array.from({ length: 12 }, () => submit()));
  const waiting = await Promise.all(
    ids.map((id) => until(id, ({ wait }) => wait?.reason === "circuit_open")),
  );
  for (const execution of waiting) {
    expect(execution).toMatchObject({
      status: "queued",
      done: false,
      wait: { reason: "circuit_open", blocked_by: "connection:crm" },
    });
  }
  const before = new Map(waiting.map(({ execution_id, attempt }) => [execution_id, attempt]));
  answer = fine;
  for (const id of ids) {
    const execution = await ended(id);
    expect(execution).toMatchObject({ status: "succeeded" });
    // The probes that failed while it was broken are its own; being parked costs nothing.
    expect(execution.attempt).toBeLessThanOrEqual((before.get(id) ?? 0) + 1);
  }
});

test("a long Retry-After frees the slot until then, with the attempt untouched", async () => {
  await connect();
  answer = (_, response) => void response.writeHead(429, { "Retry-After": "3600" }).end();
  const id = await submit();
  const execution = await until(id, ({ wait }) => wait?.reason === "retry_after");
  expect(execution).toMatchObject({
    status: "queued",
    attempt: 0,
    wait: { reason: "retry_after", blocked_by: "connection:crm" },
  });
  expect(Date.parse(execution.wait?.until ?? "")).toBeGreaterThan(Date.now() + 3_000_000);
  // Both follow the record.
  await eventually("it is logged and counted as parked", async () => {
    const said = deployment.workers.map((worker) => worker.text()).join("\n");
    const figures = await Promise.all(
      deployment.workers.map(({ metricsUrl }) => request(`${metricsUrl}/metrics`)),
    );
    const isCounted = figures.some(({ text }) =>
      /^tl_attempts_total\{.*engine="crm.contact",outcome="parked".*\} [1-9]/m.test(text),
    );
    const isLogged = new RegExp(`"execution_id":"${id}".*"msg":"attempt parked"`).test(said);
    return isLogged && isCounted ? true : null;
  });
  expect(await plane.cancel(id)).toMatchObject({ status: "canceled", attempt: 0 });
});

test("tokens are fetched once for all that call", async () => {
  await connect({
    auth: {
      type: "oauth2_client_credentials",
      token_url: `${origin}/token`,
      client_id: "me",
      client_auth: "basic",
      client_secret: "cl13nt-s3cret",
    },
  });
  const ids = await Promise.all(Array.from({ length: 20 }, () => submit()));
  for (const id of ids) expect(await ended(id)).toMatchObject({ status: "succeeded" });
  expect(tokensGiven).toBe(1);
  expect(new Set(heard.map(({ authorization }) => authorization))).toEqual(
    new Set(["Bearer acc3ss-t0ken-1"]),
  );
});

test("no process said a secret", () => {
  const said = [...deployment.apis, ...deployment.workers].map((one) => one.text()).join("\n");
  for (const secret of secrets) expect(said).not.toContain(secret);
});
