import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient, isDescribed, ProblemError, type Client } from "./index.ts";
import {
  accepted,
  problem,
  startScriptedServer,
  succeeded,
  type ScriptedServer,
} from "./scripted-server.ts";

const route = "POST /api/v1/engines/resize/execute";
let api: ScriptedServer;
let client: Client;
beforeEach(async () => {
  api = await startScriptedServer();
  client = createClient({ baseUrl: api.url, apiKey: "tlk_x", retries: { initialDelayMs: 1 } });
});
afterEach(() => api.close());

test("a submit says only what was given, in the wire's words", async () => {
  api.on(route, { status: 202, json: accepted() });
  const receipt = await client.execute(
    "resize",
    { url: "https://example.com" },
    {
      priority: "high",
      runAt: new Date("2027-01-01T00:00:00Z"),
      ttl: 2_592_000_000,
      timeout: 1_500,
      delay: "10s",
      maxAttempts: 5,
      tags: ["invoice"],
      metadata: { order: "A-17" },
      idempotencyKey: 'say "so"',
    },
  );
  expect(receipt).toEqual(accepted());
  expect(isDescribed(receipt)).toBe(false);
  expect(api.requests).toHaveLength(1);
  expect(api.requests[0]?.json).toEqual({
    input: { url: "https://example.com" },
    options: {
      priority: "high",
      run_at: "2027-01-01T00:00:00.000Z",
      ttl: "2592000s",
      timeout: "1500ms",
      delay: "10s",
      max_attempts: 5,
    },
    tags: ["invoice"],
    metadata: { order: "A-17" },
  });
  expect(api.requests[0]?.headers).toMatchObject({
    "x-api-key": "tlk_x",
    "idempotency-key": String.raw`"say \"so\""`,
    "content-type": "application/json",
  });
  expect(api.requests[0]?.headers).not.toHaveProperty("prefer");
  expect(api.requests[0]?.headers).not.toHaveProperty("authorization");

  await client.execute("resize", null);
  expect(api.requests[1]?.json).toEqual({ input: null });
});

test("wait asks by Prefer, and an execution that is done comes back whole", async () => {
  api.on(route, { status: 200, json: succeeded({ ok: true }) });
  const answer = await client.execute("resize", {}, { wait: 20 });
  expect(api.requests[0]?.headers["prefer"]).toBe("wait=20");
  expect(isDescribed(answer) && answer.output).toEqual({ ok: true });
});

test("every retry carries the same key; the next call has another", async () => {
  api.on(
    route,
    { status: 503, headers: { "retry-after": "0" }, json: problem("unavailable", 503) },
    (_, response) => response.destroy(),
    { status: 409, json: problem("idempotency_in_progress", 409) },
    { status: 502, headers: { "content-type": "text/html" }, text: "<h1>Bad gateway</h1>" },
    { status: 202, json: accepted() },
  );
  await client.execute("resize", {});
  await client.execute("resize", {});
  const keys = api.requests.map((r) => r.headers["idempotency-key"]);
  expect(keys).toHaveLength(6);
  expect(keys[0]).toMatch(/^"[0-9a-f]{32}"$/);
  expect(new Set(keys.slice(0, 5)).size).toBe(1);
  expect(keys[5]).not.toBe(keys[0]);
});

test("a 429 is sent again only after what Retry-After says", async () => {
  api.on(
    route,
    { status: 429, headers: { "retry-after": "1" }, json: problem("rate_limited", 429) },
    { status: 202, json: accepted() },
  );
  await client.execute("resize", {});
  const [first, second] = api.requests;
  expect(second!.at - first!.at).toBeGreaterThanOrEqual(990);
});

test("a Retry-After too long to sit out is told, not slept", async () => {
  api.on(route, {
    status: 429,
    headers: { "retry-after": "3000", "x-request-id": "req-9" },
    json: problem("rate_limited", 429),
  });
  const refusal = await client.execute("resize", {}).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ProblemError);
  expect(refusal).toMatchObject({
    code: "rate_limited",
    status: 429,
    retryAfterSeconds: 3000,
    requestId: "req-9",
  });
  expect(api.requests).toHaveLength(1);
});

test.for([
  ["malformed_request", 400],
  ["unauthorized", 401],
  ["forbidden", 403],
  ["engine_not_found", 404],
  ["execution_finished", 409],
  ["payload_too_large", 413],
  ["idempotency_mismatch", 422],
  ["internal_error", 500],
] as const)("%s is thrown at once", async ([code, status]) => {
  api.on(route, { status, json: problem(code, status) });
  await expect(client.execute("resize", {})).rejects.toMatchObject({ code, status });
  expect(api.requests).toHaveLength(1);
});

test("a problem's message names every wrong member", async () => {
  const errors = [
    { pointer: "/input/url", detail: "is required" },
    { pointer: "", detail: "is too deep" },
  ];
  api.on(route, { status: 422, json: problem("invalid_input", 422, { errors }) });
  const refusal = client.execute("resize", {});
  await expect(refusal).rejects.toThrow(
    "The detail of invalid_input; /input/url: is required; /: is too deep",
  );
  await expect(refusal).rejects.toMatchObject({ problem: { errors } });
});

test("retries end, and the last refusal is what is thrown", async () => {
  api.on(route, { status: 503, json: problem("unavailable", 503) });
  await expect(client.execute("resize", {})).rejects.toMatchObject({ code: "unavailable" });
  expect(api.requests).toHaveLength(5);
  const single = createClient({ baseUrl: api.url, apiKey: "tlk_x", retries: 0 });
  await expect(single.execute("resize", {})).rejects.toMatchObject({ code: "unavailable" });
  expect(api.requests).toHaveLength(6);
});

test("an abort ends the call with its own reason, also between two tries", async () => {
  const reason = new Error("enough");
  const before = AbortSignal.abort(reason);
  await expect(client.execute("resize", {}, { signal: before })).rejects.toBe(reason);
  expect(api.requests).toHaveLength(0);

  const during = new AbortController();
  api.on(route, () => during.abort(reason));
  await expect(client.execute("resize", {}, { signal: during.signal })).rejects.toBe(reason);
  await api.requests[0]!.closed;

  const between = new AbortController();
  const patient = createClient({
    baseUrl: api.url,
    apiKey: "tlk_x",
    retries: { initialDelayMs: 60_000, maxDelayMs: 60_000 },
  });
  api.on(route, { status: 503, json: problem("unavailable", 503) });
  const call = patient.execute("resize", {}, { signal: between.signal });
  setTimeout(() => between.abort(reason), 50);
  await expect(call).rejects.toBe(reason);
  expect(api.requests).toHaveLength(2);
});

test("what can't be sent is the program's mistake, not the network's", async () => {
  await expect(client.execute("resize", { n: 1n })).rejects.toThrow(TypeError);
  await expect(client.execute("resize", {}, { idempotencyKey: "ключ" })).rejects.toThrow(TypeError);
  expect(api.requests).toHaveLength(0);
});
