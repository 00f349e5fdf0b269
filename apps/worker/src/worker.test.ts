import type { Execution } from "@tl-engine/contract";
import { cancelExecution } from "@tl-engine/shared/executions/cancel.ts";
import { describeExecution } from "@tl-engine/shared/executions/describe.ts";
import { readExecutions } from "@tl-engine/shared/executions/read.ts";
import { newExecution, openStack, type Stack } from "@tl-engine/shared/testing/stack.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../../../test/services.ts";
import type { RunningWorker } from "./start-worker.ts";
import { startTestWorker } from "./testing/running-worker.ts";

const plane = { kind: "plane", id: "plane" } as const;

describe.each(["postgres", "redis"] as const)("a worker, queue on %s", (backend) => {
  const it = test.skipIf(backend === "redis" && !hasRedis());
  let database: FreshDatabase;
  let redisUrl: string | null;
  let stack: Stack;
  let worker: RunningWorker;

  beforeAll(async () => {
    if (backend === "redis" && !hasRedis()) return;
    database = await freshDatabase();
    redisUrl = backend === "redis" ? await freshRedis() : null;
    stack = await openStack({ databaseUrl: database.url, redisUrl, kind: "api" });
    worker = await startTestWorker({ databaseUrl: database.url, redisUrl });
    await worker.started;
  });
  afterAll(async () => {
    await worker?.stop(AbortSignal.abort());
    await stack?.close();
    await database?.drop();
  });

  async function submit(engineId: string, input: unknown, over = {}): Promise<string> {
    const execution = newExecution({ engineId, inputText: JSON.stringify(input), ...over });
    await stack.submitter.submit(execution);
    return execution.id;
  }

  async function status(id: string): Promise<Execution> {
    const include = { output: true, input: false, attempts: true, calls: true };
    const [row] = await readExecutions(stack.db.pool, plane, [id], include);
    if (row === undefined) throw new Error(`no execution ${id}`);
    return JSON.parse(describeExecution(row, { output: true })) as Execution;
  }

  async function until(id: string, holds: (execution: Execution) => boolean): Promise<Execution> {
    for (;;) {
      const now = await status(id);
      if (holds(now)) return now;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const ended = (id: string) => until(id, (execution) => execution.done);
  const runs = (id: string) => until(id, (execution) => execution.status === "running");

  it("runs what is submitted", async () => {
    const id = await submit("test.twice", { n: 21 });
    expect(await ended(id)).toMatchObject({
      status: "succeeded",
      output: { n: 42 },
      attempt: 1,
      error: null,
    });
    const many = await Promise.all(
      Array.from({ length: 200 }, (_, n) => submit("test.twice", { n })),
    );
    const outputs = await Promise.all(many.map(async (one) => (await ended(one)).output));
    expect(outputs).toEqual(many.map((_, n) => ({ n: n * 2 })));
  });

  it("retries what may be retried, up to the attempts allowed", async () => {
    const id = await submit("test.flaky", { until: 3 }, { maxAttempts: 5 });
    expect(await ended(id)).toMatchObject({
      status: "succeeded",
      output: { attempt: 3 },
      attempt: 3,
    });
    const hopeless = await submit("test.flaky", { until: 9 }, { maxAttempts: 2 });
    const failed = await ended(hopeless);
    expect(failed).toMatchObject({
      status: "failed",
      attempt: 2,
      error: { code: "engine_error", attempt: 2 },
    });
    expect(failed.attempts?.map((attempt) => attempt.outcome)).toEqual(["failed", "failed"]);
    const terminal = await submit("test.throw", { what: "terminal" });
    expect(await ended(terminal)).toMatchObject({
      status: "failed",
      attempt: 1,
      error: { code: "upstream_error" },
    });
  });

  it("times out, ends what ignores its signal, and never lets a retry overlap", async () => {
    const id = await submit("test.deaf", { ms: 30_000 }, { timeoutMs: 200, maxAttempts: 2 });
    const neighbour = await submit("test.sleep", { ms: 2_000 });
    const timedOut = await ended(id);
    expect(timedOut).toMatchObject({ status: "failed", attempt: 2, error: { code: "timeout" } });
    // The first attempt's code may run on until its neighbour lets their host end.
    const after = await ended(neighbour);
    expect(after).toMatchObject({ status: "succeeded", attempt: 1 });
    const retriedAt = timedOut.attempts?.[1]?.started_at ?? "";
    expect(Date.parse(retriedAt)).toBeGreaterThan(Date.parse(after.finished_at ?? ""));
  });

  it("cancels what runs, also what does not listen", async () => {
    // Their host is ready: what is canceled before it begins is prevented, not aborted.
    await ended(await submit("test.twice", {}));
    const listening = await submit("test.sleep", { ms: 30_000 });
    const deaf = await submit("test.deaf", { ms: 30_000 }, { timeoutMs: 60_000 });
    const polite = await submit("test.polite", {}, { timeoutMs: 60_000 });
    for (const id of [listening, deaf, polite]) {
      await runs(id);
      const { kind } = await cancelExecution(stack.db.pool, stack.signals, plane, id);
      // It may have heard of it and ended before the answer was read.
      expect(["requested", "canceled"]).toContain(kind);
    }
    expect(await ended(listening)).toMatchObject({
      status: "canceled",
      cancel: { effect: "aborted" },
    });
    expect(await ended(deaf)).toMatchObject({ status: "canceled", cancel: { effect: "aborted" } });
    expect(await ended(polite)).toMatchObject({
      status: "succeeded",
      cancel: { effect: "too_late" },
    });
  });

  it("finds the one that blocks the shared host; the others end with no attempt counted", async () => {
    const others = await Promise.all([1, 2, 3].map(() => submit("test.sleep", { ms: 3_000 })));
    await Promise.all(others.map(runs));
    const id = await submit("test.spin.inline", { ms: 60_000 }, { maxAttempts: 1 });
    for (const other of others)
      expect(await ended(other)).toMatchObject({ status: "succeeded", attempt: 1 });
    const guilty = await ended(id);
    expect(guilty).toMatchObject({ status: "failed", error: { code: "timeout" }, attempt: 1 });
    expect(guilty.attempts?.map((attempt) => attempt.outcome)).toEqual(["given_back", "failed"]);
  });

  it("counts a crash as an attempt and leaves the others alone", async () => {
    const other = await submit("test.sleep", { ms: 1_000 });
    await runs(other);
    const id = await submit("test.crash.inline", { how: "exit" }, { maxAttempts: 2 });
    expect(await ended(id)).toMatchObject({
      status: "failed",
      attempt: 2,
      error: { code: "engine_crashed" },
    });
    expect(await ended(other)).toMatchObject({ status: "succeeded", attempt: 1 });
    for (const engine of ["test.leak.thread", "test.leak.process"]) {
      const leaking = await submit(engine, {}, { maxAttempts: 1 });
      expect(await ended(leaking)).toMatchObject({
        status: "failed",
        error: { code: "out_of_memory" },
      });
    }
    const dying = await ended(await submit("test.die", { how: "segv" }, { maxAttempts: 2 }));
    expect(dying).toMatchObject({
      status: "failed",
      attempt: 2,
      error: { code: "engine_crashed" },
    });
    expect(dying.error?.detail).toContain("SIGSEGV");
  });

  it("keeps engines apart: a slow one does not hold up a fast one", async () => {
    const slow = await Promise.all(
      Array.from({ length: 30 }, () => submit("test.sleep", { ms: 1_500 })),
    );
    const fast = await submit("test.twice", {});
    const { created_at, finished_at } = await ended(fast);
    expect(Date.parse(finished_at ?? "") - Date.parse(created_at)).toBeLessThan(1_000);
    for (const one of slow) expect((await ended(one)).status).toBe("succeeded");
  });

  it("shows progress while it runs", async () => {
    const id = await submit("test.sleep", { ms: 60_000 });
    const running = await until(id, ({ progress }) => progress !== null);
    expect(running).toMatchObject({
      status: "running",
      progress: { fraction: 0.5, message: "asleep" },
    });
    await cancelExecution(stack.db.pool, stack.signals, plane, id);
    await ended(id);
  });

  it("gives back what does not end within its drain, and another worker takes it", async () => {
    const long = await Promise.all([
      submit("test.sleep", { ms: 4_000 }),
      submit("test.deaf", { ms: 4_000 }, { timeoutMs: 60_000 }),
      submit("test.spin.thread", { ms: 4_000 }),
      submit("test.spin.process", { ms: 4_000 }),
    ]);
    await Promise.all(long.map(runs));
    const stoppedAt = performance.now();
    const stopped = worker.stop(new AbortController().signal);
    worker = await startTestWorker({ databaseUrl: database.url, redisUrl });
    await worker.started;
    await stopped;
    expect(performance.now() - stoppedAt).toBeLessThan(6_000);
    for (const id of long) {
      const execution = await ended(id);
      expect(execution).toMatchObject({ status: "succeeded", attempt: 1 });
      expect(execution.attempts?.map((attempt) => attempt.outcome)).toEqual([
        "given_back",
        "succeeded",
      ]);
    }
  });

  it("serves its figures and says that it is ready", async () => {
    const at = `http://127.0.0.1:${worker.metricsPort}`;
    expect(await (await fetch(`${at}/readyz`)).json()).toEqual({
      status: "ready",
      reasons: [],
      degraded: [],
    });
    const text = await (await fetch(`${at}/metrics`)).text();
    expect(text).toContain(
      'tl_attempts_total{engine="test.sleep",outcome="succeeded",app="worker"}',
    );
    expect(text).toContain('tl_hosts{kind="inline",app="worker"} 1');
    expect(text).toMatch(/^tl_hosts\{kind="process",app="worker"\} \d$/m);
    expect(text).toContain('tl_slots{engine="test.spin.thread",version="1",app="worker"} 2');
    expect(text).toContain('tl_slots{engine="test.spin.process",version="1",app="worker"} 2');
    expect(text).toContain('tl_slots_taken{engine="test.sleep",version="1",app="worker"} 0');
  });
});
