import { Redis } from "ioredis";
import type pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import {
  freshDatabase,
  freshRedis,
  hasRedis,
  startPrivateRedis,
} from "../../../../test/services.ts";
import { recordPending } from "../testing/pending-rows.ts";
import {
  freshEngineId,
  newExecution,
  noCanary,
  openStack,
  type Stack,
  type StackOptions,
} from "../testing/stack.ts";
import { createBacklog } from "./backlog.ts";
import { createRedisCanary, type Canary } from "./canary.ts";
import { readEngineFigures } from "./figures.ts";
import { makeDueReady } from "./make-ready.ts";
import { readExecutions } from "./read.ts";
import { createReconciler, type TurnReport } from "./reconcile.ts";

const plane = { kind: "plane", id: "plane" } as const;
const patient = new AbortController().signal;
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function boundedStack(redisUrl: string | null = null, url?: string): Promise<Stack> {
  let databaseUrl = url;
  if (databaseUrl === undefined) {
    const database = await freshDatabase();
    cleanUps.push(() => database.drop());
    databaseUrl = database.url;
  }
  const options: StackOptions = { databaseUrl, redisUrl, bounded: true };
  const stack = await openStack(options);
  cleanUps.push(() => stack.close());
  return stack;
}

function reconcile(stack: Stack, canary: Canary = noCanary): TurnReport[] {
  const reports: TurnReport[] = [];
  const reconciler = createReconciler({
    pool: stack.db.pool,
    queue: stack.queue,
    enqueuer: stack.enqueuer,
    backlog: stack.backlog,
    signals: stack.signals,
    canary,
    leaseMs: 1_000,
    intervalMs: 50,
    onError: (error) => void stack.errors.push(error),
    onTurn: (report) => void reports.push(report),
  });
  reconciler.start();
  cleanUps.push(() => reconciler.stop());
  return reports;
}

async function counts(pool: pg.Pool, engineId: string) {
  const { rows } = await pool.query<{ ready: number; pending: number }>(
    `SELECT coalesce(sum(ready), 0)::int AS ready, coalesce(sum(pending), 0)::int AS pending
     FROM engine_counters WHERE engine_id = $1`,
    [engineId],
  );
  return rows[0] ?? { ready: 0, pending: 0 };
}

/** Starts and settles whatever is delivered. */
function work(stack: Stack, engineId: string) {
  const started: string[] = [];
  const engine = { engineId, version: 1, concurrency: null };
  const consumer = stack.queue.consume({
    engineId,
    version: 1,
    slots: 10,
    async handle(items) {
      for (const { id, dispatch, attempt } of await stack.starter.start(engine, items, patient)) {
        started.push(id);
        await stack.settler.settle({
          id,
          dispatch,
          attempt,
          outcome: "succeeded",
          outputText: "1",
        });
      }
    },
  });
  cleanUps.push(() => consumer.close());
  return { started };
}

const submits = (stack: Stack, engineId: string, count: number, over = {}) =>
  Promise.all(
    Array.from({ length: count }, () =>
      stack.submitter.submit(newExecution({ engineId, ...over })),
    ),
  );

describe.each(["postgres", "redis"] as const)("a backlog, queue on %s", (backend) => {
  const it = test.skipIf(backend === "redis" && !hasRedis());
  const redis = async () => (backend === "redis" ? freshRedis() : null);

  it("drains though only a few at a time are in the queue, and each is started once", async () => {
    const stack = await boundedStack(await redis());
    const engineId = freshEngineId();
    await stack.registration.serve([{ engineId, version: 1, slots: 10 }]);
    await submits(stack, engineId, 600);
    const before = await counts(stack.db.pool, engineId);
    expect(before.ready + before.pending).toBe(600);
    // Ten free slots, and one more for each; nobody has looked before the first 64 were recorded.
    expect(before.ready).toBeLessThanOrEqual(64);
    const worked = work(stack, engineId);
    await expect.poll(() => worked.started.length, { timeout: 20_000 }).toBe(600);
    expect(new Set(worked.started).size).toBe(600);
    await expect.poll(() => counts(stack.db.pool, engineId)).toEqual({ ready: 0, pending: 0 });
    expect(stack.errors).toEqual([]);
    // Once it is gone, the next one goes to the queue at once again.
    const next = newExecution({ engineId });
    await expect
      .poll(async () => {
        await stack.submitter.submit({ ...next, id: newExecution().id });
        return stack.backlog.plan([next]);
      })
      .toEqual([true]);
  });

  it("somebody else's backlog is brought in by whoever leads", async () => {
    const stack = await boundedStack(await redis());
    const engineId = freshEngineId();
    await stack.registration.serve([{ engineId, version: 1, slots: 10 }]);
    await recordPending(stack.db.pool, { engineId, count: 300, callers: 3 });
    const worked = work(stack, engineId);
    reconcile(stack);
    await expect.poll(() => worked.started.length, { timeout: 20_000 }).toBe(300);
  });
});

test("of what is due all at once no more goes ahead than else, and the rest waits its turn", async () => {
  const stack = await boundedStack();
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await submits(stack, engineId, 2_500, { delayMs: 3_600_000 });
  await pool.query("UPDATE executions SET due_at = now() WHERE due_at IS NOT NULL");
  expect(await makeDueReady(pool, stack.enqueuer, stack.backlog)).toBe(2_500);
  const { ready, pending } = await counts(pool, engineId);
  expect(ready + pending).toBe(2_500);
  expect(ready).toBeLessThanOrEqual(64);
  // A few that are due while nothing waits go to the queue at once.
  const other = freshEngineId();
  await submits(stack, other, 3, { delayMs: 3_600_000 });
  await pool.query("UPDATE executions SET due_at = now() WHERE due_at IS NOT NULL");
  await makeDueReady(pool, stack.enqueuer, stack.backlog);
  expect(await counts(pool, other)).toEqual({ ready: 3, pending: 0 });
});

test("at low load nobody looks, but once for each part of the window", async () => {
  const stack = await boundedStack();
  const engineId = freshEngineId();
  await stack.registration.serve([{ engineId, version: 1, slots: 100 }]);
  let looks = 0;
  const counting = {
    query: (query: { name: string }) => {
      // As long as the pace is a guess, a look begins with it.
      if (query.name === "read-pace") looks += 1;
      return stack.db.pool.query(query as never);
    },
  } as unknown as pg.Pool;
  const { enqueuer } = stack;
  const onError = (error: unknown): void => void stack.errors.push(error);
  const backlog = createBacklog({ pool: counting, enqueuer, onError });
  cleanUps.push(() => backlog.close());
  const one = { engineId, version: 1 };
  expect(backlog.plan(Array.from({ length: 65 }, () => one))).toEqual([
    ...Array.from({ length: 64 }, () => true),
    false,
  ]);
  backlog.placed([{ ...one, waits: false }]);
  // The window is known: 100 free slots, and one more for each.
  await expect.poll(() => backlog.windows()).toEqual([{ ...one, most: 200 }]);
  expect(looks).toBe(1);
  for (let i = 0; i < 49; i += 1) {
    expect(backlog.plan([one])).toEqual([true]);
    backlog.placed([{ ...one, waits: false }]);
  }
  expect(looks).toBe(1);
  backlog.placed([{ ...one, waits: false }]);
  expect(looks).toBe(2);
  expect(stack.errors).toEqual([]);
});

test("the figures count what waits in Postgres, and how long it has", async () => {
  const stack = await boundedStack();
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await recordPending(pool, { engineId, count: 50 });
  await pool.query("UPDATE executions SET waiting_since = now() - interval '1 minute'");
  const figures = async () => (await readEngineFigures(pool, [engineId]))[0];
  expect(await figures()).toMatchObject({ queued: 50, runnable: 50 });
  expect((await figures())?.oldestQueuedSeconds).toBeGreaterThan(59);
  // In the queue it is as old as before.
  await pool.query(
    "UPDATE executions SET wait_reason = NULL, ready_at = now(), enqueuer = gen_random_uuid()",
  );
  expect(await figures()).toMatchObject({ queued: 50, runnable: 50 });
  expect((await figures())?.oldestQueuedSeconds).toBeGreaterThan(59);
});

test("what waits its turn says so, and what no worker serves says that", async () => {
  const stack = await boundedStack();
  const engineId = freshEngineId();
  await recordPending(stack.db.pool, { engineId, count: 1 });
  const reason = async () => {
    const { rows } = await stack.db.pool.query<{ id: string }>("SELECT id FROM executions");
    const nothing = { output: false, input: false, attempts: false, calls: false };
    const ids = rows.map(({ id }) => id);
    return (await readExecutions(stack.db.pool, plane, ids, nothing))[0]?.wait_reason;
  };
  expect(await reason()).toBe("no_worker");
  await stack.registration.serve([{ engineId, version: 1, slots: 1 }]);
  expect(await reason()).toBe("dispatch_pending");
});

describe.skipIf(!hasRedis())("a backlog and a Redis that loses things", () => {
  test("no more is put back than was ahead", async () => {
    const server = await startPrivateRedis();
    cleanUps.push(() => server.stop());
    const stack = await boundedStack(server.url);
    const redis = new Redis(server.url);
    cleanUps.push(async () => redis.disconnect());
    const engineId = freshEngineId();
    await submits(stack, engineId, 800);
    const reports = reconcile(stack, createRedisCanary(redis));
    await expect.poll(() => reports.length).toBeGreaterThan(2);
    await redis.flushall();
    const putBack = () => reports.reduce((sum, report) => sum + report.putBack, 0);
    await expect.poll(putBack).toBeGreaterThan(0);
    const { ready, pending } = await counts(stack.db.pool, engineId);
    expect(putBack()).toBe(ready);
    expect(ready).toBeLessThanOrEqual(64);
    expect(ready + pending).toBe(800);
    await stack.registration.serve([{ engineId, version: 1, slots: 10 }]);
    const worked = work(stack, engineId);
    await expect.poll(() => worked.started.length, { timeout: 20_000 }).toBe(800);
    expect(new Set(worked.started).size).toBe(800);
  });
});
