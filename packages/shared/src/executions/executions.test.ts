import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  freshDatabase,
  freshRedis,
  hasRedis,
  type FreshDatabase,
} from "../../../../test/services.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  openStack,
  type Stack,
} from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { fillPlaces } from "./ceiling.ts";
import { describeExecution, etagOf } from "./describe.ts";
import { endOverdue } from "./end-overdue.ts";
import { readEngineFigures } from "./figures.ts";
import { giveBack } from "./give-back.ts";
import { readHeld } from "./held.ts";
import { listExecutions } from "./list.ts";
import { makeDueReady, nextDueInMs, releaseRetries } from "./make-ready.ts";
import { readExecutions } from "./read.ts";
import { takeBackLost } from "./take-back.ts";

const plane = { kind: "plane", id: "plane" } as const;
const owner = { kind: "program", id: "key:abc" } as const;
const stranger = { kind: "program", id: "key:other" } as const;
const all = { output: true, input: true, attempts: true, calls: true };
const failure = { code: "engine_error", detail: "no luck", retryable: true } as const;
const patient = new AbortController().signal;

describe.each(["postgres", "redis"] as const)("executions, queue on %s", (backend) => {
  let database: FreshDatabase;
  let stack: Stack;

  beforeAll(async () => {
    if (backend === "redis" && !hasRedis()) return;
    database = await freshDatabase();
    stack = await openStack({
      databaseUrl: database.url,
      redisUrl: backend === "redis" ? await freshRedis() : null,
    });
  });
  afterAll(async () => {
    await stack?.close();
    await database?.drop();
  });

  const it = test.skipIf(backend === "redis" && !hasRedis());

  async function submit(over = {}) {
    const execution = newExecution({ engineId: freshEngineId(), ...over });
    const result = await stack.submitter.submit(execution);
    expect(result.kind).toBe("accepted");
    return execution;
  }

  async function read(id: string) {
    const [row] = await readExecutions(stack.db.pool, owner, [id], all);
    if (row === undefined) throw new Error(`no execution ${id}`);
    return row;
  }

  async function started(over = {}) {
    const execution = await submit(over);
    const [running] = await stack.starter.start(
      { engineId: execution.engineId, version: 1, concurrency: null },
      [[execution.id, 0]],
      patient,
    );
    if (running === undefined) throw new Error("not started");
    return running;
  }

  it("an execution goes from submit over the queue to its result", async () => {
    const execution = newExecution({ engineId: freshEngineId(), tags: ["a", "b"] });
    const deliveries = listenForDeliveries(stack.queue, execution.engineId);
    await stack.submitter.submit(execution);
    expect(await deliveries.next(1)).toEqual([[execution.id, 0]]);
    await deliveries.close();
    const engine = { engineId: execution.engineId, version: 1, concurrency: null };
    const [running] = await stack.starter.start(engine, [[execution.id, 0]], patient);
    expect(running).toMatchObject({
      id: execution.id,
      dispatch: 1,
      attempt: 1,
      inputText: '{"a":1}',
    });
    expect(await readHeld(stack.db.pool, stack.registration.id)).toContainEqual({
      id: execution.id,
      dispatch: 1,
      cancelRequested: false,
    });
    const settled = await stack.settler.settle({
      id: execution.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: '{"b": [1,2.50]}',
    });
    expect(settled).toBe("succeeded");
    const body = JSON.parse(describeExecution(await read(execution.id), { output: true }));
    expect(body).toMatchObject({
      execution_id: execution.id,
      status: "succeeded",
      done: true,
      attempt: 1,
      output: { b: [1, 2.5] },
      error: null,
      tags: ["a", "b"],
      input: { a: 1 },
      wait: null,
      attempts: [{ attempt: 1, dispatch: 1, outcome: "succeeded", error: null }],
    });
    expect(body.metrics.run_ms).toBeGreaterThanOrEqual(0);
    expect(new Date(body.finished_at).toISOString()).toBe(body.finished_at);
  });

  it("a delivery that comes twice, or late, starts nothing", async () => {
    const running = await started();
    const engine = { engineId: running.engineId, version: 1, concurrency: null };
    expect(await stack.starter.start(engine, [[running.id, 0]], patient)).toEqual([]);
    expect(await stack.starter.start(engine, [[running.id, 1]], patient)).toEqual([]);
    expect(
      await stack.starter.start(engine, [["00000000-0000-7000-8000-000000000000", 0]], patient),
    ).toEqual([]);
  });

  it("a result under an old dispatch is dropped, and a finished execution never changes", async () => {
    const running = await started();
    await giveBack(stack.db.pool, stack.enqueuer, stack.signals, [
      { id: running.id, dispatch: 1, alone: true },
    ]);
    const engine = { engineId: running.engineId, version: 1, concurrency: null };
    const [again] = await stack.starter.start(engine, [[running.id, 2]], patient);
    expect(again).toMatchObject({ dispatch: 3, attempt: 1, alone: true });
    const late = {
      id: running.id,
      attempt: 1,
      outcome: "succeeded",
      outputText: '"late"',
    } as const;
    expect(await stack.settler.settle({ ...late, dispatch: 1 })).toBe("stale");
    expect(await stack.settler.settle({ ...late, dispatch: 3, outputText: '"right"' })).toBe(
      "succeeded",
    );
    expect(await stack.settler.settle({ ...late, dispatch: 3, outputText: '"twice"' })).toBe(
      "stale",
    );
    const row = await read(running.id);
    expect(row.output).toBe('"right"');
    expect(row.attempts?.map(({ outcome }) => outcome)).toEqual(["given_back", "succeeded"]);
    await expect(
      stack.db.pool.query("UPDATE executions SET progress = '1' WHERE id = $1", [running.id]),
    ).rejects.toThrow("never changes");
  });

  it("a retry waits, becomes due, and is delivered under a new dispatch", async () => {
    const running = await started();
    const deliveries = listenForDeliveries(stack.queue, running.engineId);
    await deliveries.next(1);
    expect(
      await stack.settler.settle({
        id: running.id,
        dispatch: 1,
        attempt: 1,
        outcome: "retry",
        failure,
        delayMs: 3_600_000,
        reason: "retry_backoff",
      }),
    ).toBe("queued");
    const waiting = await read(running.id);
    expect(waiting).toMatchObject({ status: "queued", wait_reason: "retry_backoff", dispatch: 2 });
    expect(waiting.attempts).toMatchObject([
      { attempt: 1, outcome: "failed", error: { code: "engine_error" } },
    ]);
    expect(await makeDueReady(stack.db.pool, stack.enqueuer, stack.backlog)).toBe(0);
    await releaseRetries(stack.db.pool, [{ id: running.id, dispatch: 2, delayMs: 0 }]);
    expect(await nextDueInMs(stack.db.pool)).toBeLessThanOrEqual(0);
    expect(await makeDueReady(stack.db.pool, stack.enqueuer, stack.backlog)).toBe(1);
    expect(await deliveries.next(1)).toEqual([[running.id, 2]]);
    await deliveries.close();
    const engine = { engineId: running.engineId, version: 1, concurrency: null };
    const [second] = await stack.starter.start(engine, [[running.id, 2]], patient);
    expect(second).toMatchObject({ dispatch: 3, attempt: 2 });
    await stack.settler.settle({
      id: running.id,
      dispatch: 3,
      attempt: 2,
      outcome: "failed",
      failure,
    });
    const ended = await read(running.id);
    expect(JSON.parse(ended.error ?? "")).toMatchObject({
      code: "engine_error",
      attempt: 2,
      detail: "no luck",
    });
    expect(ended.attempts?.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, "failed"],
      [2, "failed"],
    ]);
  });

  it("cancel prevents what waits and marks what runs", async () => {
    const waiting = await submit();
    expect(await cancelExecution(stack.db.pool, stack.signals, stranger, waiting.id)).toEqual({
      kind: "not_found",
    });
    expect(await cancelExecution(stack.db.pool, stack.signals, owner, waiting.id)).toMatchObject({
      kind: "canceled",
      row: { cancel_effect: "prevented" },
    });
    expect((await cancelExecution(stack.db.pool, stack.signals, owner, waiting.id)).kind).toBe(
      "canceled",
    );

    const aborted = await started();
    expect((await cancelExecution(stack.db.pool, stack.signals, owner, aborted.id)).kind).toBe(
      "requested",
    );
    const settlement = {
      dispatch: 1,
      attempt: 1,
      failure,
      delayMs: 0,
      reason: "retry_backoff",
    } as const;
    expect(await stack.settler.settle({ ...settlement, id: aborted.id, outcome: "retry" })).toBe(
      "canceled",
    );
    expect(await read(aborted.id)).toMatchObject({ cancel_effect: "aborted", error: null });

    const late = await started();
    await cancelExecution(stack.db.pool, stack.signals, owner, late.id);
    await stack.settler.settle({
      id: late.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: "1",
    });
    expect(await read(late.id)).toMatchObject({ status: "succeeded", cancel_effect: "too_late" });
    expect((await cancelExecution(stack.db.pool, stack.signals, owner, late.id)).kind).toBe(
      "finished",
    );
  });

  it("scheduled executions wait for their time and expire by their ttl", async () => {
    const later = await submit({ delayMs: 3_600_000 });
    expect(await read(later.id)).toMatchObject({ status: "scheduled" });
    const past = await submit({ runAt: new Date(Date.now() - 60_000) });
    expect(await read(past.id)).toMatchObject({ status: "queued" });
    const short = await submit({ ttlMs: 0 });
    const engine = { engineId: short.engineId, version: 1, concurrency: null };
    expect(await stack.starter.start(engine, [[short.id, 0]], patient)).toEqual([]);
    expect(await endOverdue(stack.db.pool, stack.signals)).toBe(1);
    expect(await read(short.id)).toMatchObject({ status: "expired", started_at: null });
  });

  it("an idempotency key stands for one execution, and for one request", async () => {
    const engineId = freshEngineId();
    const hash = Buffer.from("a".repeat(64), "hex");
    const make = (over = {}) =>
      newExecution({ engineId, idempotency: { key: "k", requestHash: hash }, ...over });
    const results = await Promise.all(
      Array.from({ length: 100 }, () => stack.submitter.submit(make())),
    );
    const ids = new Set(
      results.map((result) => ("execution" in result ? result.execution.id : result.kind)),
    );
    expect(ids.size).toBe(1);
    expect(results.filter(({ kind }) => kind === "accepted")).toHaveLength(1);
    const other = make({
      idempotency: { key: "k", requestHash: Buffer.from("b".repeat(64), "hex") },
    });
    expect((await stack.submitter.submit(other)).kind).toBe("mismatch");
    expect((await stack.submitter.submit(make({ callerId: "key:other" }))).kind).toBe("accepted");
    await stack.db.pool.query(
      "UPDATE idempotency_keys SET created_at = now() - interval '25 hours'",
    );
    expect((await stack.submitter.submit(make())).kind).toBe("accepted");
  });

  it("one execution that Postgres cannot keep fails alone", async () => {
    const engineId = freshEngineId();
    const submits = [
      newExecution({ engineId }),
      newExecution({ engineId, inputText: "{" }),
      newExecution({ engineId }),
    ];
    const results = await Promise.allSettled(
      submits.map((execution) => stack.submitter.submit(execution)),
    );
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const running = await started();
    await stack.settler.settle({
      id: running.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: "{",
    });
    expect(JSON.parse((await read(running.id)).error ?? "")).toMatchObject({
      code: "output_invalid",
    });
  });

  it("what ends while it waits shows no attempt that never was", async () => {
    const running = await started();
    const retry = { outcome: "retry", failure, delayMs: 60_000, reason: "retry_backoff" } as const;
    await stack.settler.settle({ id: running.id, dispatch: 1, attempt: 1, ...retry });
    await stack.db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [
      running.id,
    ]);
    await endOverdue(stack.db.pool, stack.signals);
    const row = await read(running.id);
    expect(row.status).toBe("failed");
    expect(JSON.parse(row.error ?? "")).toMatchObject({ code: "engine_error", attempt: 1 });
    expect(row.attempts).toMatchObject([{ attempt: 1, dispatch: 1, outcome: "failed" }]);
  });

  it("what runs past every deadline ends as timeout, whoever holds it", async () => {
    const running = await started();
    await stack.db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [
      running.id,
    ]);
    await endOverdue(stack.db.pool, stack.signals);
    const row = await read(running.id);
    expect(JSON.parse(row.error ?? "")).toMatchObject({ code: "timeout", attempt: 1 });
    expect(row.attempts).toMatchObject([{ attempt: 1, dispatch: 1, outcome: "failed" }]);
    const late = {
      id: running.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: "1",
    } as const;
    expect(await stack.settler.settle(late)).toBe("stale");
  });

  it("a ceiling over all workers holds, and lets the next one in", async () => {
    const engineId = freshEngineId();
    const executions = await Promise.all([1, 2, 3, 4].map(() => submit({ engineId })));
    const engine = { engineId, version: 1, concurrency: 2 };
    const items = executions.map(({ id }) => [id, 0] as const);
    const groups = await Promise.all([
      stack.starter.start(engine, items.slice(0, 2), patient),
      stack.starter.start(engine, items.slice(2), patient),
    ]);
    const running = groups.flat();
    expect(running).toHaveLength(2);
    const rows = await readExecutions(
      stack.db.pool,
      owner,
      executions.map(({ id }) => id),
      all,
    );
    expect(rows.filter((row) => row.wait_reason === "engine_concurrency")).toHaveLength(2);
    const limited = { engineId, version: 1, concurrency: 2 };
    expect(await fillPlaces(stack.db.pool, stack.enqueuer.processId, limited)).toEqual([]);
    const first = running[0];
    if (first === undefined) throw new Error("none runs");
    await stack.settler.settle({
      id: first.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: "1",
    });
    expect(await fillPlaces(stack.db.pool, stack.enqueuer.processId, limited)).toHaveLength(1);
  });

  it("what a lost worker ran is taken back with no attempt counted, and ends at the third loss", async () => {
    const running = await started();
    const engine = { engineId: running.engineId, version: 1, concurrency: null };
    for (const loss of [1, 2, 3]) {
      await stack.db.pool.query(
        "UPDATE executions SET worker_id = gen_random_uuid() WHERE id = $1 AND status = 'running'",
        [running.id],
      );
      expect(await takeBackLost(stack.db.pool, stack.enqueuer, stack.signals)).toBe(1);
      const row = await read(running.id);
      if (loss === 3) {
        expect(row).toMatchObject({ status: "failed" });
        expect(JSON.parse(row.error ?? "")).toMatchObject({ code: "worker_lost" });
        expect(row.attempts?.map(({ outcome }) => outcome)).toEqual(Array(3).fill("worker_lost"));
      } else {
        expect(row).toMatchObject({ status: "queued", attempt: 0 });
        const [again] = await stack.starter.start(engine, [[running.id, row.dispatch]], patient);
        expect(again).toMatchObject({ attempt: 1, alone: loss === 2 });
      }
    }
  });

  it("callers see their own executions and nothing of others", async () => {
    const engineId = freshEngineId();
    const mine = await Promise.all([1, 2, 3].map(() => submit({ engineId, tags: ["x"] })));
    const ids = mine.map(({ id }) => id);
    expect(await readExecutions(stack.db.pool, stranger, ids, all)).toEqual([]);
    expect(await readExecutions(stack.db.pool, plane, ids, all)).toHaveLength(3);
    const page = { beforeId: null, limit: 2 };
    const filters = { engine: engineId, tag: "x", status: "queued" } as const;
    const { rows, more } = await listExecutions(stack.db.pool, owner, filters, page, all);
    expect(more).toBe(true);
    const rest = await listExecutions(
      stack.db.pool,
      owner,
      filters,
      { beforeId: rows[1]?.id ?? null, limit: 2 },
      all,
    );
    const listed = [...rows, ...rest.rows].map(({ id }) => id);
    expect(listed).toEqual(ids.toSorted().toReversed());
    expect((await listExecutions(stack.db.pool, stranger, filters, page, all)).rows).toEqual([]);
  });

  it("figures come from counters and agree with the record", async () => {
    const engineId = freshEngineId();
    const [first, second] = [await started({ engineId }), await started({ engineId })];
    await submit({ engineId });
    await submit({ engineId, delayMs: 60_000 });
    await stack.settler.settle({
      id: first.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: "1",
    });
    await stack.settler.settle({
      id: second.id,
      dispatch: 1,
      attempt: 1,
      outcome: "failed",
      failure,
    });
    const [figures] = await readEngineFigures(stack.db.pool, [engineId]);
    expect(figures).toMatchObject({
      id: engineId,
      queued: 1,
      runnable: 1,
      running: 0,
      scheduled: 1,
      finishedLast5m: 2,
      totals: { accepted: 4, succeeded: 1, failed: 1, canceled: 0, expired: 0 },
    });
    expect(figures?.run.p50).toBeGreaterThan(0);
    expect(figures?.queue.p99).toBeGreaterThan(0);
    const counted = await stack.db.pool.query(
      `SELECT status, count(*)::int FROM executions GROUP BY status EXCEPT
       SELECT * FROM (SELECT 'queued', sum(queued)::int FROM engine_counters UNION SELECT 'running', sum(running)::int FROM engine_counters
         UNION SELECT 'scheduled', sum(scheduled)::int FROM engine_counters UNION SELECT 'succeeded', sum(succeeded)::int FROM engine_counters
         UNION SELECT 'failed', sum(failed)::int FROM engine_counters UNION SELECT 'canceled', sum(canceled)::int FROM engine_counters
         UNION SELECT 'expired', sum(expired)::int FROM engine_counters) AS c`,
    );
    expect(counted.rows).toEqual([]);
  });

  it("what is ready beyond the engine's ceiling is not runnable: more slots would not help", async () => {
    const engineId = freshEngineId();
    await stack.db.pool.query(
      `INSERT INTO engine_versions (engine_id, version, title, input_schema, output_schema, policy, fingerprint)
       VALUES ($1, 1, 'limited', '{}', '{}', '{"concurrency":2}', 'f')`,
      [engineId],
    );
    const figures = async () => (await readEngineFigures(stack.db.pool, [engineId]))[0];
    const first = await started({ engineId });
    for (let i = 0; i < 3; i++) await submit({ engineId });
    expect(await figures()).toMatchObject({ running: 1, queued: 3, runnable: 1 });
    expect((await figures())?.oldestQueuedSeconds).toBeGreaterThan(0);
    await started({ engineId });
    expect(await figures()).toMatchObject({ running: 2, queued: 3, runnable: 0 });
    expect((await figures())?.oldestQueuedSeconds).toBe(0);
    const { id, dispatch } = first;
    await stack.settler.settle({ id, dispatch, attempt: 1, outcome: "succeeded", outputText: "1" });
    expect(await figures()).toMatchObject({ running: 1, runnable: 1 });
  });

  it("the ETag changes with what a caller waits for", async () => {
    const execution = await submit();
    const before = etagOf(await read(execution.id));
    await cancelExecution(stack.db.pool, stack.signals, owner, execution.id);
    expect(etagOf(await read(execution.id))).not.toBe(before);
  });
});
