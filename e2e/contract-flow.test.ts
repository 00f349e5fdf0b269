import type { Client, Execution } from "@tl-engine/client";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import {
  describeWithRedis,
  freshDatabase,
  freshRedis,
  type FreshDatabase,
} from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { eventually } from "./support/eventually.ts";
import { request } from "./support/request.ts";
import { startSink, type Sink } from "./support/sink.ts";

describeWithRedis("two APIs and two workers on Redis", () =>
  contractFlow(async () => freshRedis()),
);
describe("two APIs and two workers on Postgres alone", () => contractFlow(async () => null));

function contractFlow(queueUrl: () => Promise<string | null>): void {
  let database: FreshDatabase;
  let sink: Sink;
  let deployment: Deployment;
  /** tl-plane at the first API, and at the second. */
  let here: Client;
  let there: Client;

  beforeAll(async () => {
    [database, sink] = await Promise.all([freshDatabase(), startSink()]);
    deployment = await startDeployment({
      databaseUrl: database.url,
      redisUrl: await queueUrl(),
      apis: 2,
      workers: 2,
      engines: ["sleep", "count", "progress", "flaky"],
      env: { TL_OUTBOUND_ALLOW: sink.address, TL_GRACE_SECONDS: "1" },
    });
    [here, there] = [deployment.client(0), deployment.client(1)];
  });
  afterAll(async () => {
    await deployment?.stop();
    await sink?.close();
    await database?.drop({ force: true });
  });
  beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

  /** A raw request of tl-plane's, to look at statuses and headers. */
  const ask = (api: 0 | 1, path: string, options: Parameters<typeof request>[1] = {}) =>
    request(`${deployment.apis[api]?.url}/api/v1${path}`, {
      ...options,
      headers: { "x-api-key": deployment.planeKey, ...options.headers },
    });
  const submit = async (engine: string, input: unknown, options = {}): Promise<string> =>
    (await here.execute(engine, input, options)).execution_id;

  test("D11: what one API accepted, the other knows at once", async () => {
    const seen = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const [first, second] = n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
        const accepted = await ask(first, "/engines/echo/execute", { json: { input: n } });
        expect(accepted.status).toBe(202);
        const answer = await ask(second, accepted.json.links.status.replace("/api/v1", ""));
        return answer.status;
      }),
    );
    expect(seen).toEqual(Array.from({ length: 60 }, () => 200));
  });

  test("both submits answer with the receipt of the contract", async () => {
    const one = await ask(0, "/engines/echo@1/execute", { json: { input: { a: 1 } } });
    const two = await ask(1, "/engines/execute", { json: { engine: "echo", input: { a: 1 } } });
    for (const { status, json, headers } of [one, two]) {
      expect(status).toBe(202);
      expect(json).toMatchObject({ engine: "echo", version: 1, done: expect.any(Boolean) });
      expect(json.execution_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      expect(headers.get("location")).toBe(json.links.self);
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(0);
    }
    const missing = await ask(0, "/engines/nobody/execute", { json: { input: 1 } });
    expect([missing.status, missing.headers.get("content-type")]).toEqual([
      404,
      expect.stringContaining("application/problem+json"),
    ]);
    const wrong = await ask(0, "/engines/sleep/execute", { json: { input: { ms: "long" } } });
    expect(wrong.status).toBe(422);
    expect(wrong.json.errors).toEqual([expect.objectContaining({ pointer: "/input/ms" })]);
  });

  test("O5: a hundred submits with one key over both APIs are one execution", async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        ask(n % 2 === 0 ? 0 : 1, "/engines/count/execute", {
          json: { input: { sink: sink.url } },
          headers: { "idempotency-key": '"a-hundred-times"' },
        }),
      ),
    );
    const ids = new Set(
      answers.map(({ status, json }) => (status === 409 ? null : json.execution_id)),
    );
    ids.delete(null);
    expect(ids.size).toBe(1);
    for (const { status } of answers) expect([200, 202, 409]).toContain(status);
    expect(
      answers.filter(
        ({ status, headers }) => status !== 409 && !headers.has("idempotency-replayed"),
      ),
    ).toHaveLength(1);
    const [id] = ids as Set<string>;
    expect(await there.wait(id!)).toMatchObject({ status: "succeeded" });
    expect(sink.effectsOf(id!)).toHaveLength(1);

    // O6: another body, another caller, and after the end.
    const other = await ask(1, "/engines/count/execute", {
      json: { input: { sink: sink.url, hold: true } },
      headers: { "idempotency-key": "a-hundred-times" },
    });
    expect([other.status, other.json.code]).toEqual([422, "idempotency_mismatch"]);
    const replay = await ask(0, "/engines/count/execute", {
      json: { input: { sink: sink.url } },
      headers: { "idempotency-key": "a-hundred-times" },
    });
    expect(replay.json).toMatchObject({ execution_id: id, status: "succeeded" });
    const { key } = await here.keys.create({ name: "another program" });
    const own = await deployment
      .client(1, { apiKey: key })
      .execute("count", { sink: sink.url }, { idempotencyKey: "a-hundred-times" });
    expect(own.execution_id).not.toBe(id);
    // T1: and nobody else sees that one, in the same words as for one that never was.
    const strange = await request(`${deployment.apis[0]?.url}/api/v1/executions/${id}`, {
      headers: { "x-api-key": key },
    });
    expect([strange.status, strange.json.code]).toEqual([404, "execution_not_found"]);
  });

  test("cancel reaches an engine that runs in another process within a second", async () => {
    const id = await submit("count", { sink: sink.url, hold: true });
    await sink.arrived(id);
    const askedAt = performance.now();
    const answer = await ask(1, `/executions/${id}/cancel`, { method: "POST" });
    expect(answer.status).toBe(202);
    expect(answer.json.cancel.requested_at).toBeTruthy();
    expect((await sink.brokenOff(id)) - askedAt).toBeLessThan(1_000);
    expect(await here.wait(id)).toMatchObject({
      status: "canceled",
      cancel: { effect: "aborted" },
      attempt: 1,
    });
    const again = await ask(0, `/executions/${id}/cancel`, { method: "POST" });
    expect([again.status, again.json.status]).toEqual([200, "canceled"]);
  });

  test("cancel before the start: nothing runs", async () => {
    const id = await submit("count", { sink: sink.url }, { delay: "1h" });
    const answer = await ask(1, `/executions/${id}/cancel`, { method: "POST" });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ status: "canceled", cancel: { effect: "prevented" } });
    expect(sink.effectsOf(id)).toEqual([]);

    const done = await here.wait(await submit("echo", 1));
    const late = await ask(1, `/executions/${done.execution_id}/cancel`, { method: "POST" });
    expect([late.status, late.json.code]).toEqual([409, "execution_finished"]);
  });

  test("delay and run_at hold an execution back", async () => {
    const id = await submit("echo", "later", { delay: 600 });
    const before = await there.status(id);
    expect(before).toMatchObject({ status: "scheduled", done: false, started_at: null });
    const after = await there.wait(id);
    expect(after.status).toBe("succeeded");
    expect(Date.parse(after.started_at!)).toBeGreaterThanOrEqual(Date.parse(after.run_at!));
    expect(Date.parse(after.run_at!) - Date.parse(after.created_at)).toBeGreaterThanOrEqual(590);

    const past = await submit("echo", "past", { runAt: new Date(Date.now() - 60_000) });
    expect((await there.wait(past)).status).toBe("succeeded");
    const both = await ask(0, "/engines/echo/execute", {
      json: { input: 1, options: { delay: "1s", run_at: new Date().toISOString() } },
    });
    expect(both.status).toBe(422);
  });

  test("failures are tried again with a backoff, and status tells each attempt", async () => {
    const id = await submit("flaky", { failures: 2 });
    const done = await there.wait(id, { include: ["attempts", "input"] });
    expect(done).toMatchObject({ status: "succeeded", attempt: 3, output: { attempt: 3 } });
    expect(done.input).toEqual({ failures: 2 });
    expect(
      done.attempts?.map(({ attempt, outcome, error }) => [attempt, outcome, error?.code]),
    ).toEqual([
      [1, "failed", "engine_error"],
      [2, "failed", "engine_error"],
      [3, "succeeded", undefined],
    ]);
    expect(new Set(done.attempts?.map(({ dispatch }) => dispatch)).size).toBe(3);

    const spent = await there.wait(await submit("flaky", { failures: 9 }, { maxAttempts: 2 }));
    expect(spent).toMatchObject({
      status: "failed",
      attempt: 2,
      max_attempts: 2,
      error: { code: "engine_error", detail: "failure 2 of 9", attempt: 2 },
    });
    const tooMany = await ask(0, "/engines/flaky/execute", {
      json: { input: { failures: 0 }, options: { max_attempts: 6 } },
    });
    expect(tooMany.status).toBe(422);
  });

  test("E8, O7: a refusing peer is called once an attempt, always with the same key", async () => {
    const id = await submit("count", { sink: sink.url, fail: 2 });
    expect(await here.wait(id)).toMatchObject({ status: "succeeded", attempt: 3 });
    const effects = sink.effectsOf(id);
    expect(effects.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(effects.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
    expect(effects[0]?.idempotencyKey).toContain(id);
  });

  test("a timeout ends an attempt and its call outside", async () => {
    const id = await submit(
      "count",
      { sink: sink.url, hold: true },
      { timeout: "300ms", maxAttempts: 1 },
    );
    const { at } = await sink.arrived(id);
    expect((await sink.brokenOff(id)) - at).toBeLessThan(1_000);
    expect(await there.wait(id)).toMatchObject({ status: "failed", error: { code: "timeout" } });
  });

  test("progress is seen from outside while it runs", async () => {
    const id = await submit("progress", { sink: sink.url });
    const seen: Execution[] = [];
    const waiting = there.wait(id, { onProgress: (execution) => void seen.push(execution) });
    const half = await eventually("progress is told", () =>
      seen.find(({ progress }) => progress !== null),
    );
    expect(half).toMatchObject({
      status: "running",
      progress: { fraction: 0.5, message: "half of it" },
    });
    sink.release(id);
    // What was said last is there with the result, however soon the return came after it.
    expect(await waiting).toMatchObject({
      status: "succeeded",
      progress: { fraction: 1, message: "all of it" },
    });
  });

  test("Prefer: wait answers with the result, or with the receipt when time is up", async () => {
    const done = await ask(0, "/engines/echo/execute", {
      json: { input: [1, 2] },
      headers: { prefer: "wait=20" },
    });
    expect([done.status, done.headers.get("preference-applied")]).toEqual([200, "wait"]);
    expect(done.json).toMatchObject({ status: "succeeded", done: true, output: [1, 2] });

    const held = await ask(0, "/engines/count/execute", {
      json: { input: { sink: sink.url, hold: true } },
      headers: { prefer: "wait=1" },
    });
    expect([held.status, held.json.done]).toEqual([202, false]);
    // wait= at the other API, let go by the end of the execution and not by the clock.
    const id = held.json.execution_id;
    const waiting = ask(1, `/engines/count/status?execution_id=${id}&wait=60`);
    sink.release(id);
    expect((await waiting).json).toMatchObject({ status: "succeeded", done: true });
  });

  test("ETag: 304 while nothing changes, and wait= until something does", async () => {
    const id = await submit("count", { sink: sink.url, hold: true });
    await sink.arrived(id);
    const first = await ask(0, `/executions/${id}`);
    const etag = first.headers.get("etag")!;
    expect(etag).toMatch(/^W\/"/);
    expect(first.headers.get("cache-control")).toBe("private, no-cache");
    const same = await ask(1, `/executions/${id}`, { headers: { "if-none-match": etag } });
    expect([same.status, same.text]).toEqual([304, ""]);
    const waiting = ask(1, `/executions/${id}?wait=60`, { headers: { "if-none-match": etag } });
    sink.release(id);
    const changed = await waiting;
    expect([changed.status, changed.json.status]).toEqual([200, "succeeded"]);
    expect(changed.headers.get("etag")).not.toBe(etag);
    expect((await ask(0, `/executions/${id}?wait=0`)).status).toBe(400);
  });

  test("a ceiling over all workers holds, says so, and lets expire what it holds too long", async () => {
    const first = await submit("count.single", { sink: sink.url, hold: true });
    await sink.arrived(first);
    const second = await submit("count.single", { sink: sink.url });
    const third = await submit("count.single", { sink: sink.url }, { ttl: "300ms" });
    const waiting = await eventually("the second one says what it waits for", async () => {
      const execution = await there.status(second);
      return execution.wait?.reason === "engine_concurrency" ? execution : null;
    });
    expect(waiting).toMatchObject({ status: "queued", attempt: 0 });
    expect(await there.wait(third)).toMatchObject({ status: "expired", started_at: null });
    expect(sink.effectsOf(second)).toEqual([]);
    sink.release(first);
    expect(await there.wait(second)).toMatchObject({ status: "succeeded" });
    expect(sink.effectsOf(third)).toEqual([]);
  });

  test("the list pages through a caller's own executions, newest first", async () => {
    const { key } = await here.keys.create({ name: "lister" });
    const own = deployment.client(1, { apiKey: key });
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) {
      const tags = n % 2 === 0 ? ["even"] : [];
      ids.push((await own.execute("echo", n, { tags, metadata: { n } })).execution_id);
    }
    await Promise.all(ids.map((id) => own.wait(id)));
    const pages: Execution[][] = [];
    for await (const page of own.list({ pageSize: 3 }).pages()) pages.push(page);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat().map((execution) => execution.execution_id)).toEqual(ids.toReversed());
    expect(pages.flat().every((execution) => execution.output === undefined)).toBe(true);
    const even: Execution[] = [];
    for await (const one of own.list({ tag: "even", include: ["output"] })) even.push(one);
    expect(even.map(({ output, metadata }) => [output, metadata["n"]])).toEqual([
      [6, 6],
      [4, 4],
      [2, 2],
      [0, 0],
    ]);
    const batch = await own.statuses([ids[0]!, "01890000-0000-7000-8000-000000000000"]);
    expect(batch.executions.map((execution) => execution.execution_id)).toEqual([ids[0]]);
    expect(batch.not_found).toEqual(["01890000-0000-7000-8000-000000000000"]);
  });

  test("K1: over two APIs exactly as many requests pass as the limit says", async () => {
    const { key } = await here.keys.create({ name: "busy", rate_limit: 200 });
    const answers = await Promise.all(
      Array.from({ length: 600 }, (_, n) =>
        request(`${deployment.apis[n % 2]?.url}/api/v1/engines`, { headers: { "x-api-key": key } }),
      ),
    );
    const passed = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect([passed.length, refused.length]).toEqual([200, 400]);
    const remaining = passed.map(({ headers }) => Number(headers.get("x-ratelimit-remaining")));
    expect(remaining.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    for (const { headers, json } of refused) {
      const retryAfter = Number(headers.get("retry-after"));
      expect(retryAfter).toBeGreaterThan(0);
      expect(retryAfter).toBeLessThanOrEqual(3600);
      expect(json.code).toBe("rate_limited");
    }
    // Polling has a budget of its own.
    const read = await request(`${deployment.apis[0]?.url}/api/v1/engines/status`, {
      headers: { "x-api-key": key },
    });
    expect([read.status, read.headers.get("x-ratelimit-limit")]).toEqual([200, "2000"]);
  });

  test("K5: a key that is revoked or off is refused within 5 s by both APIs", async () => {
    for (const end of [
      (id: string) => here.keys.revoke(id),
      (id: string) => here.keys.change(id, { is_active: false }),
    ]) {
      const { id, key } = await here.keys.create({ name: "short-lived" });
      const use = (api: 0 | 1) =>
        request(`${deployment.apis[api]?.url}/api/v1/engines`, { headers: { "x-api-key": key } });
      expect([(await use(0)).status, (await use(1)).status]).toEqual([200, 200]);
      await end(id);
      await Promise.all(
        ([0, 1] as const).map((api) =>
          eventually(
            `API ${api} refuses the key`,
            async () => ((await use(api)).status === 401 ? true : null),
            { withinMs: 5_000 },
          ),
        ),
      );
    }
  });

  test("scopes: a token opens what it says and no more", async () => {
    const narrow = deployment.client(0, {
      token: await deployment.token("bob", { scope: "engines:execute:echo executions:read" }),
    });
    expect(await narrow.run("echo", 1)).toBe(1);
    await expect(narrow.execute("sleep", { ms: 1 })).rejects.toMatchObject({ status: 403 });
    await expect(narrow.keys.list()).rejects.toMatchObject({ status: 403 });
    await expect(deployment.client(0, { token: "no.such.token" }).engines()).rejects.toMatchObject({
      status: 401,
    });
  });

  test("engines tell their state, their schema and exact figures", async () => {
    const state = await ask(1, "/engines/count/status");
    expect(state.json).toMatchObject({ id: "count", state: "active", workers: 2, running: 0 });
    const engine = await there.engine("sleep");
    expect(engine).toMatchObject({
      id: "sleep",
      input_schema: { properties: { ms: { type: "integer", minimum: 0 } } },
    });

    const [before] = await here.metrics({ engines: ["sleep"] });
    await Promise.all(Array.from({ length: 10 }, async () => here.run("sleep", { ms: 1 })));
    const [after] = await there.metrics({ engines: ["sleep"] });
    expect(after?.totals.accepted).toBe((before?.totals.accepted ?? 0) + 10);
    expect(after).toMatchObject({
      queued: 0,
      running: 0,
      workers: 2,
      slots: 20,
      totals: { succeeded: (before?.totals.succeeded ?? 0) + 10, failed: 0 },
    });
    expect(after?.run_seconds.p50).toBeGreaterThan(0);
    const text = await ask(0, "/engines/metrics?engine=sleep", {
      headers: { accept: "text/plain" },
    });
    expect(text.headers.get("content-type")).toContain("text/plain");
    expect(text.text).toMatch(/^# TYPE tl_\w+/m);
    expect(text.text).toContain('engine="sleep"');
    for (const { metricsUrl } of [...deployment.apis, ...deployment.workers]) {
      expect((await request(`${metricsUrl}/metrics`)).text).toContain(
        "tl_process_cpu_seconds_total",
      );
      expect((await request(`${metricsUrl}/readyz`)).json).toMatchObject({ status: "ready" });
    }
  });
}
