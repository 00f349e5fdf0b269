import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient, ExecutionFailedError, WaitTimeoutError, type Client } from "./index.ts";
import {
  accepted,
  execution,
  startScriptedServer,
  succeeded,
  type ScriptedServer,
} from "./scripted-server.ts";

const submit = "POST /api/v1/engines/resize/execute";
const status = "GET /api/v1/executions/0199";
let api: ScriptedServer;
let client: Client;
beforeEach(async () => {
  api = await startScriptedServer();
  client = createClient({ baseUrl: api.url, apiKey: "tlk_x", retries: { initialDelayMs: 1 } });
});
afterEach(() => api.close());

test("a short execution is one request", async () => {
  api.on(submit, { status: 200, json: succeeded({ width: 3 }) });
  expect(await client.run("resize", {})).toEqual({ width: 3 });
  expect(api.requests.map((r) => r.headers["prefer"])).toEqual(["wait=30"]);
});

test("a longer one is waited for", async () => {
  api.on(submit, { status: 202, json: accepted() });
  api.on(status, { status: 200, json: succeeded(null) });
  expect(await client.run("resize", {})).toBeNull();
  expect(api.requests).toHaveLength(2);
});

test("a replay of a finished one has its output too", async () => {
  api.on(submit, { status: 202, json: accepted({ status: "succeeded", done: true }) });
  api.on(status, { status: 200, json: succeeded("kept") });
  expect(await client.run("resize", {}, { idempotencyKey: "k" })).toBe("kept");
});

test("with a watcher the steps are told: accepted first, then each change", async () => {
  api.on(submit, { status: 202, json: accepted() });
  api.on(
    status,
    { status: 200, headers: { etag: '"a"' }, json: execution({ status: "running" }) },
    { status: 200, headers: { etag: '"b"' }, json: succeeded(1) },
  );
  const steps: string[] = [];
  await client.run(
    "resize",
    {},
    {
      onAccepted: (a) => steps.push(`accepted ${a.execution_id}`),
      onProgress: (e) => steps.push(e.status),
    },
  );
  expect(steps).toEqual(["accepted 0199", "running", "succeeded"]);
  expect(api.requests[0]?.headers).not.toHaveProperty("prefer");
});

test.for(["failed", "canceled", "expired"] as const)(
  "%s is thrown with its execution",
  async (s) => {
    const error =
      s === "failed"
        ? {
            type: "t",
            title: "The engine failed",
            detail: "no such file",
            code: "engine_error",
            retryable: false,
            attempt: 3,
          }
        : null;
    api.on(submit, { status: 200, json: execution({ status: s, done: true, error }) });
    const thrown = await client.run("resize", {}).catch((e: unknown) => e);
    expect(thrown).toBeInstanceOf(ExecutionFailedError);
    expect(thrown).toMatchObject({
      status: s,
      executionId: "0199",
      code: error?.code ?? null,
      execution: { done: true },
    });
    expect((thrown as Error).message).toBe(
      {
        failed: "The execution 0199 of resize failed: engine_error, no such file",
        canceled: "The execution 0199 of resize was canceled",
        expired: "The execution 0199 of resize expired before it could start",
      }[s],
    );
  },
);

test("time that is up is told with the id; the submit itself is never cut, so that there is one", async () => {
  api.on(submit, { status: 202, json: accepted() });
  api.on(status, () => undefined);
  const thrown = await client.run("resize", {}, { waitTimeoutMs: 150 }).catch((e: unknown) => e);
  expect(thrown).toBeInstanceOf(WaitTimeoutError);
  expect(thrown).toMatchObject({
    executionId: "0199",
    message: "The execution 0199 was not done within 150 ms; it goes on",
  });
  expect(api.requests[0]?.headers).not.toHaveProperty("prefer");
});
