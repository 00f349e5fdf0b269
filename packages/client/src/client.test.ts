import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createClient, ExecutionPurgedError, ProblemError, type Client } from "./index.ts";
import { execution, problem, startScriptedServer, type ScriptedServer } from "./scripted-server.ts";

let api: ScriptedServer;
let client: Client;
beforeEach(async () => {
  api = await startScriptedServer();
  client = createClient({ baseUrl: api.url, apiKey: "tlk_x", retries: { initialDelayMs: 1 } });
});
afterEach(() => api.close());

const tombstone = {
  execution_id: "id2",
  status: "failed",
  finished_at: "2026-11-24T09:39:02.491Z",
};

test("a purged execution is an error of its own, with what is left of it", async () => {
  const problemOf410 = problem("execution_purged", 410, { tombstone });
  api.on("GET /api/v1/executions/id2", { status: 410, json: problemOf410 });
  api.on("POST /api/v1/engines/echo/execute", {
    status: 410,
    json: problem("execution_purged", 410),
  });
  for (const asked of [client.status("id2"), client.wait("id2")]) {
    const error = await asked.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ExecutionPurgedError);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ code: "execution_purged", status: 410, tombstone });
  }
  const replay = client.run("echo", {}, { idempotencyKey: "k" });
  await expect(replay).rejects.toMatchObject({ name: "ExecutionPurgedError", tombstone: null });
  expect(api.requests).toHaveLength(3);
});

test("statuses asks a hundred ids at a time and joins the answers", async () => {
  const ids = Array.from({ length: 150 }, (_, i) => `id${i}`);
  api.on(
    "GET /api/v1/engines/status",
    { status: 200, json: { executions: [execution()], not_found: ["id1"], purged: [tombstone] } },
    { status: 200, json: { executions: [execution()], not_found: [], not_included: ["id120"] } },
  );
  const batch = await client.statuses(ids, { include: ["output", "attempts"] });
  expect(batch.executions).toHaveLength(2);
  expect(batch.not_found).toEqual(["id1"]);
  expect(batch.not_included).toEqual(["id120"]);
  expect(api.requests.map((r) => r.query["execution_id"]?.split(",").length)).toEqual([100, 50]);
  expect(api.requests[0]?.query["include"]).toBe("output,attempts");
  expect(batch.purged).toEqual([tombstone]);
  const none = { executions: [], not_found: [], purged: [], not_included: [] };
  expect(await client.statuses([])).toEqual(none);
  expect(api.requests).toHaveLength(2);
});

test("cancel needs no body and gives the execution", async () => {
  const canceled = execution({
    status: "canceled",
    done: true,
    cancel: { requested_at: "2026-01-01T00:00:00.000Z", effect: "prevented" },
  });
  api.on("POST /api/v1/executions/0199/cancel", { status: 200, json: canceled });
  expect((await client.cancel("0199")).cancel?.effect).toBe("prevented");
  expect(api.requests[0]?.json).toBeUndefined();
  expect(api.requests[0]?.headers).not.toHaveProperty("content-type");
});

test("list walks the pages as they are needed", async () => {
  const page = (ids: string[], next: string | null) => ({
    status: 200,
    json: { executions: ids.map((execution_id) => execution({ execution_id })), next_cursor: next },
  });
  api.on("GET /api/v1/executions", page(["a", "b"], "c1"), page(["c"], null));
  const seen: string[] = [];
  const list = client.list({
    status: "failed",
    engine: "resize",
    tag: "x",
    createdAfter: new Date(0),
    pageSize: 2,
  });
  expect(api.requests).toHaveLength(0);
  for await (const { execution_id } of list) {
    seen.push(execution_id);
    if (seen.length === 1) expect(api.requests).toHaveLength(1);
  }
  expect(seen).toEqual(["a", "b", "c"]);
  expect(api.requests.map((r) => r.query)).toEqual([
    {
      status: "failed",
      engine: "resize",
      tag: "x",
      created_after: "1970-01-01T00:00:00.000Z",
      limit: "2",
    },
    {
      status: "failed",
      engine: "resize",
      tag: "x",
      created_after: "1970-01-01T00:00:00.000Z",
      limit: "2",
      cursor: "c1",
    },
  ]);

  api.on("GET /api/v1/executions", page(["a", "b"], "c1"), page(["c"], null));
  const sizes: number[] = [];
  for await (const executions of client.list().pages()) sizes.push(executions.length);
  expect(sizes).toEqual([2, 1]);
});

test("engines, one engine, their state and figures", async () => {
  api.on(
    "GET /api/v1/engines",
    { status: 200, json: { engines: [{ id: "a" }], next_cursor: "n" } },
    { status: 200, json: { engines: [{ id: "b" }], next_cursor: null } },
  );
  api.on("GET /api/v1/engines/resize@2", { status: 200, json: { id: "resize", version: 2 } });
  api.on("GET /api/v1/engines/status", {
    status: 200,
    json: { engines: [{ id: "a", queued: 1 }] },
  });
  api.on("GET /api/v1/engines/metrics", {
    status: 200,
    json: { engines: [{ id: "a", slots: 4 }] },
  });
  expect((await client.engines()).map((e) => e.id)).toEqual(["a", "b"]);
  expect(await client.engine("resize@2")).toMatchObject({ version: 2 });
  expect(await client.engineStatuses()).toMatchObject([{ queued: 1 }]);
  expect(await client.metrics({ engines: ["a", "b"] })).toMatchObject([{ slots: 4 }]);
  expect(api.requests.at(-1)?.query).toEqual({ engine: "a,b" });
});

test("connections: create, list, get, change, test, reset, delete", async () => {
  const crm = { id: "crm", kind: "http" };
  const path = "/api/v1/connections";
  const tested = { ok: true, status: 200, duration_ms: 3, error: null, execution_id: "e" };
  api.on(`POST ${path}`, { status: 201, json: crm });
  api.on(`GET ${path}`, { status: 200, json: { connections: [crm], next_cursor: null } });
  api.on(`GET ${path}/crm`, { status: 200, json: crm });
  api.on(`PATCH ${path}/crm`, { status: 200, json: { ...crm, is_active: false } });
  api.on(`POST ${path}/crm/test`, { status: 200, json: tested });
  api.on(`POST ${path}/crm/reset-circuit`, { status: 200, json: { released: 3 } });
  api.on(`DELETE ${path}/crm`, { status: 204 });
  const wanted = { id: "crm", kind: "http", base_url: "https://x" } as const;
  expect(await client.connections.create(wanted)).toEqual(crm);
  expect(await client.connections.list()).toEqual([crm]);
  expect(await client.connections.get("crm")).toEqual(crm);
  expect((await client.connections.change("crm", { is_active: false })).is_active).toBe(false);
  expect(await client.connections.test("crm", { path: "/health" })).toEqual(tested);
  expect(await client.connections.resetCircuit("crm")).toEqual({ released: 3 });
  expect(await client.connections.delete("crm")).toBeUndefined();
  expect(api.requests.map((r) => r.json)).toEqual([
    wanted,
    undefined,
    undefined,
    { is_active: false },
    { path: "/health" },
    undefined,
    undefined,
  ]);
});

test("webhooks: endpoints, the callback secret, and what became of callbacks", async () => {
  const hook = { id: "whe_1", url: "https://x" };
  const path = "/api/v1/webhook-endpoints";
  const own = { secret: "whsec_1", previous_secret: null };
  api.on(`POST ${path}`, { status: 201, json: { ...hook, secret: "whsec_0" } });
  api.on(`GET ${path}`, { status: 200, json: { webhook_endpoints: [hook], next_cursor: null } });
  api.on(`GET ${path}/whe_1`, { status: 200, json: hook });
  api.on(`PATCH ${path}/whe_1`, { status: 200, json: { ...hook, is_active: false } });
  api.on(`POST ${path}/whe_1/enable`, { status: 200, json: hook });
  api.on(`POST ${path}/whe_1/rotate-secret`, { status: 201, json: { ...hook, secret: "whsec_2" } });
  api.on(`POST ${path}/whe_1/test`, { status: 200, json: { id: "d", status: "delivered" } });
  api.on(`DELETE ${path}/whe_1`, { status: 204 });
  api.on("GET /api/v1/callback-secret", { status: 200, json: own });
  api.on("POST /api/v1/callback-secret/rotate", { status: 201, json: own });
  api.on("GET /api/v1/executions/e/callbacks", { status: 200, json: { callbacks: [{ id: "d" }] } });
  api.on("POST /api/v1/executions/e/callbacks/d/resend", { status: 202, json: { id: "d" } });
  const { webhooks } = client;
  expect((await webhooks.create({ url: "https://x" })).secret).toBe("whsec_0");
  expect(await webhooks.list()).toEqual([hook]);
  expect(await webhooks.get("whe_1")).toEqual(hook);
  expect((await webhooks.change("whe_1", { is_active: false })).is_active).toBe(false);
  expect(await webhooks.enable("whe_1")).toEqual(hook);
  expect((await webhooks.rotate("whe_1", { overlap: "1h" })).secret).toBe("whsec_2");
  expect((await webhooks.test("whe_1")).status).toBe("delivered");
  expect(await webhooks.delete("whe_1")).toBeUndefined();
  expect(await webhooks.callbackSecret()).toEqual(own);
  expect(await webhooks.rotateCallbackSecret()).toEqual(own);
  expect(await webhooks.callbacksOf("e")).toEqual([{ id: "d" }]);
  expect(await webhooks.resend("e", "d")).toEqual({ id: "d" });
  const sent = api.requests.map((r) => r.json).filter((json) => json !== undefined);
  expect(sent).toEqual([{ url: "https://x" }, { is_active: false }, { overlap: "1h" }, {}, {}]);
});

describe("keys", () => {
  test("create, list, get, change, revoke, reroll", async () => {
    const key = { id: "k1", name: "billing" };
    api.on("POST /api/v1/keys", { status: 201, json: { ...key, key: "tlk_secret" } });
    api.on("GET /api/v1/keys", { status: 200, json: { keys: [key], next_cursor: null } });
    api.on("GET /api/v1/keys/k1", { status: 200, json: key });
    api.on("PATCH /api/v1/keys/k1", { status: 200, json: { ...key, is_active: false } });
    api.on("DELETE /api/v1/keys/k1", { status: 204 });
    api.on("POST /api/v1/keys/k1/reroll", { status: 201, json: { ...key, key: "tlk_new" } });
    expect((await client.keys.create({ name: "billing", rate_limit: null })).key).toBe(
      "tlk_secret",
    );
    expect(await client.keys.list()).toEqual([key]);
    expect(await client.keys.get("k1")).toEqual(key);
    expect((await client.keys.change("k1", { is_active: false })).is_active).toBe(false);
    expect(await client.keys.revoke("k1")).toBeUndefined();
    expect((await client.keys.reroll("k1", { overlap: "1h" })).key).toBe("tlk_new");
    expect(api.requests.map((r) => r.json)).toEqual([
      { name: "billing", rate_limit: null },
      undefined,
      undefined,
      { is_active: false },
      undefined,
      { overlap: "1h" },
    ]);
  });

  test("making one is not repeated where it may have been made: only the limiter's 429 is", async () => {
    api.on("POST /api/v1/keys", (_, response) => response.destroy());
    await expect(client.keys.create({ name: "x" })).rejects.toThrow(/can't be reached/);
    expect(api.requests).toHaveLength(1);
    api.on("POST /api/v1/keys", { status: 503, json: problem("unavailable", 503) });
    await expect(client.keys.create({ name: "x" })).rejects.toMatchObject({ code: "unavailable" });
    expect(api.requests).toHaveLength(2);
    api.on(
      "POST /api/v1/keys",
      { status: 429, headers: { "retry-after": "0" }, json: problem("rate_limited", 429) },
      { status: 201, json: { id: "k1", key: "tlk_s" } },
    );
    expect((await client.keys.create({ name: "x" })).key).toBe("tlk_s");
    expect(api.requests).toHaveLength(4);
  });
});
