import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient, WaitTimeoutError, type Client, type Execution } from "./index.ts";
import {
  execution,
  problem,
  send,
  startScriptedServer,
  succeeded,
  type ScriptedServer,
} from "./scripted-server.ts";

const route = "GET /api/v1/executions/0199";
let api: ScriptedServer;
let client: Client;
beforeEach(async () => {
  api = await startScriptedServer();
  client = createClient({ baseUrl: api.url, apiKey: "tlk_x", retries: { initialDelayMs: 1 } });
});
afterEach(() => api.close());

test("without a watcher one held question is enough", async () => {
  api.on(route, { status: 200, json: succeeded(7) });
  expect(await client.wait<number>("0199")).toMatchObject({ status: "succeeded", output: 7 });
  expect(api.requests).toHaveLength(1);
  expect(api.requests[0]?.query).toEqual({ wait: "30" });
});

test("a failed execution is an answer, not an error", async () => {
  api.on(route, { status: 200, json: execution({ status: "failed", done: true }) });
  expect(await client.wait("0199")).toMatchObject({ status: "failed" });
});

test("a watcher gets each change once, by ETag", async () => {
  const half = { fraction: 0.5, message: "half", updated_at: "2026-01-01T00:00:01.000Z" };
  api.on(
    route,
    { status: 200, headers: { etag: 'W/"a"', "retry-after": "1" }, json: execution() },
    { status: 304, headers: { etag: 'W/"a"', "retry-after": "0" } },
    {
      status: 200,
      headers: { etag: 'W/"b"', "retry-after": "1" },
      json: execution({ status: "running", progress: half }),
    },
    { status: 200, headers: { etag: 'W/"c"' }, json: succeeded("done") },
  );
  const seen: Execution[] = [];
  const last = await client.wait("0199", {
    onProgress: (e) => seen.push(e),
    include: ["attempts"],
  });
  expect(last.output).toBe("done");
  expect(seen.map((e) => [e.status, e.progress?.fraction])).toEqual([
    ["queued", undefined],
    ["running", 0.5],
    ["succeeded", undefined],
  ]);
  expect(api.requests.map((r) => [r.query["wait"], r.headers["if-none-match"]])).toEqual([
    [undefined, undefined],
    ["30", 'W/"a"'],
    ["30", 'W/"a"'],
    ["30", 'W/"b"'],
  ]);
  expect(api.requests.every((r) => r.query["include"] === "attempts")).toBe(true);
});

test("a server that lets go too soon is asked again after its Retry-After, not at once", async () => {
  api.on(
    route,
    { status: 200, headers: { etag: 'W/"a"', "retry-after": "1" }, json: execution() },
    { status: 200, headers: { etag: 'W/"a"', "retry-after": "1" }, json: execution() },
    { status: 200, json: succeeded(1) },
  );
  await client.wait("0199");
  const [first, second, third] = api.requests.map((r) => r.at);
  expect(second! - first!).toBeLessThan(900); // the first answer was news
  expect(third! - second!).toBeGreaterThanOrEqual(990);
});

test("a busy execution is watched at once at first, then once a second", async () => {
  const change = (n: number) => ({
    status: 200,
    headers: { etag: `W/"${n}"`, "retry-after": "1" },
    json: execution({ status: "running", attempt: n }),
  });
  api.on(route, ...[0, 1, 2, 3, 4, 5, 6].map(change), { status: 200, json: succeeded(1) });
  await client.wait("0199", { onProgress: () => undefined });
  const at = api.requests.map((r) => r.at);
  expect(at[6]! - at[0]!).toBeLessThan(900);
  expect(at[7]! - at[6]!).toBeGreaterThanOrEqual(990);
});

test("time that is up ends the held question and says how far it was", async () => {
  api.on(
    route,
    { status: 200, headers: { etag: 'W/"a"' }, json: execution({ status: "running" }) },
    () => undefined,
  );
  const error = await client
    .wait("0199", { timeoutMs: 120, onProgress: () => undefined })
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(WaitTimeoutError);
  expect(error).toMatchObject({ executionId: "0199", execution: { status: "running" } });
  expect((error as Error).message).toBe(
    "The execution 0199 was not done within 120 ms (it is running); it goes on",
  );
  expect(api.requests[1]?.query["wait"]).toBe("1");
  await api.requests[1]!.closed;
});

test("an outage in between is sat out", async () => {
  api.on(
    route,
    { status: 200, headers: { etag: 'W/"a"', "retry-after": "0" }, json: execution() },
    (_, response) => response.destroy(),
    { status: 503, json: problem("unavailable", 503) },
    { status: 200, json: succeeded(1) },
  );
  expect((await client.wait("0199")).output).toBe(1);
});

test("an abort ends the wait with its reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  api.on(route, () => controller.abort(reason));
  await expect(client.wait("0199", { signal: controller.signal })).rejects.toBe(reason);
  await api.requests[0]!.closed;
});

test("an execution that is nobody's is a problem", async () => {
  api.on(route, { status: 404, json: problem("execution_not_found", 404) });
  await expect(client.wait("0199")).rejects.toMatchObject({ code: "execution_not_found" });
});

test("the time for one try does not count what the server was asked to hold", async () => {
  const quick = createClient({ baseUrl: api.url, apiKey: "tlk_x", timeoutMs: 20, retries: 0 });
  api.on(route, (_, response) => {
    setTimeout(() => send(response, { status: 200, json: succeeded(1) }), 60);
  });
  expect((await quick.wait("0199")).output).toBe(1);
});
