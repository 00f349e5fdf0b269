import { Redis } from "ioredis";
import { afterEach, describe, expect, test } from "vitest";
import {
  freshDatabase,
  freshRedis,
  hasRedis,
  startPrivateRedis,
  type FreshDatabase,
} from "../../../../test/services.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  noCanary,
  openStack,
  type Stack,
  type StackOptions,
} from "../testing/stack.ts";
import { createRedisCanary, type Canary } from "./canary.ts";
import { createReconciler, type Reconciler, type TurnReport } from "./reconcile.ts";

const patient = new AbortController().signal;
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function database(): Promise<FreshDatabase> {
  const fresh = await freshDatabase();
  cleanUps.push(() => fresh.drop());
  return fresh;
}

async function stackOf(options: StackOptions): Promise<Stack> {
  const stack = await openStack(options);
  cleanUps.push(() => stack.close());
  return stack;
}

function reconcile(stack: Stack, canary: Canary = noCanary, leaseMs = 1_000) {
  const reports: TurnReport[] = [];
  const hears: ((report: TurnReport) => void)[] = [];
  const reconciler: Reconciler = createReconciler({
    pool: stack.db.pool,
    queue: stack.queue,
    enqueuer: stack.enqueuer,
    backlog: stack.backlog,
    signals: stack.signals,
    canary,
    leaseMs,
    intervalMs: 50,
    onError: (error) => void stack.errors.push(error),
    onTurn: (report) => {
      reports.push(report);
      for (const hear of hears) hear(report);
    },
  });
  reconciler.start();
  cleanUps.push(() => reconciler.stop());
  return {
    reports,
    until: (matches: (report: TurnReport) => boolean) =>
      new Promise<TurnReport>((resolve) => {
        hears.push((report) => {
          if (matches(report)) resolve(report);
        });
      }),
  };
}

describe.each(["postgres", "redis"] as const)("reconciler, queue on %s", (backend) => {
  const it = test.skipIf(backend === "redis" && !hasRedis());
  const redis = async () => (backend === "redis" ? freshRedis() : null);

  it("what a process recorded and died before enqueuing is delivered by another", async () => {
    const { url } = await database();
    const redisUrl = await redis();
    const engineId = freshEngineId();
    const dying = await stackOf({
      databaseUrl: url,
      redisUrl,
      kind: "api",
      leaseMs: 1_000,
      hooks: { afterRecord: () => new Promise(() => {}) },
    });
    const execution = newExecution({ engineId });
    void dying.submitter.submit(execution);
    const other = await stackOf({ databaseUrl: url, redisUrl });
    await expect
      .poll(async () => (await other.db.pool.query("SELECT FROM executions")).rowCount)
      .toBe(1);
    // The process is gone: its heartbeat ends, and with it its lease.
    await dying.registration.close();
    const deliveries = listenForDeliveries(other.queue, engineId);
    reconcile(other);
    expect(await deliveries.next(1)).toEqual([[execution.id, 0]]);
    await deliveries.close();
  });

  it("what a lost worker ran is delivered again under a new dispatch", async () => {
    const { url } = await database();
    const redisUrl = await redis();
    const engineId = freshEngineId();
    const lost = await stackOf({ databaseUrl: url, redisUrl, leaseMs: 1_000 });
    const execution = newExecution({ engineId });
    await lost.submitter.submit(execution);
    const engine = { engineId, version: 1, concurrency: null };
    expect(await lost.starter.start(engine, [[execution.id, 0]], patient)).toHaveLength(1);
    await lost.registration.close();
    const other = await stackOf({ databaseUrl: url, redisUrl });
    const deliveries = listenForDeliveries(other.queue, engineId);
    reconcile(other);
    await expect.poll(() => deliveries.items.some(([, dispatch]) => dispatch === 2)).toBe(true);
    await deliveries.close();
    // The lost one wakes up again: its late result is dropped.
    const late = {
      id: execution.id,
      dispatch: 1,
      attempt: 1,
      outcome: "succeeded",
      outputText: "1",
    } as const;
    expect(await lost.settler.settle(late)).toBe("stale");
  });

  it("delayed executions are delivered when they are due", async () => {
    const { url } = await database();
    const stack = await stackOf({ databaseUrl: url, redisUrl: await redis() });
    const engineId = freshEngineId();
    const execution = newExecution({ engineId, delayMs: 300 });
    await stack.submitter.submit(execution);
    const deliveries = listenForDeliveries(stack.queue, engineId);
    reconcile(stack);
    expect(await deliveries.next(1)).toEqual([[execution.id, 0]]);
    await deliveries.close();
    const { rows } = await stack.db.pool.query(
      "SELECT ready_at >= run_at AS punctual FROM executions",
    );
    expect(rows).toEqual([{ punctual: true }]);
  });

  it("one process leads at a time, and the next one follows when it stops", async () => {
    const { url } = await database();
    const redisUrl = await redis();
    const first = await stackOf({ databaseUrl: url, redisUrl });
    const second = await stackOf({ databaseUrl: url, redisUrl });
    const one = reconcile(first);
    await one.until(() => true);
    const two = reconcile(second);
    await one.until(() => true);
    expect(two.reports).toEqual([]);
    const leads = two.until(() => true);
    await cleanUps.splice(cleanUps.length - 2, 1)[0]?.();
    await leads;
  });
});

test("a result and the reconciler at the same moment: one of them counts, and nothing is overwritten", async () => {
  const { url } = await database();
  const stack = await stackOf({ databaseUrl: url, redisUrl: null });
  const engineId = freshEngineId();
  const engine = { engineId, version: 1, concurrency: null };
  const executions = Array.from({ length: 200 }, () => newExecution({ engineId }));
  await Promise.all(executions.map((execution) => stack.submitter.submit(execution)));
  const started = await stack.starter.start(
    engine,
    executions.map(({ id }) => [id, 0] as const),
    patient,
  );
  expect(started).toHaveLength(200);
  await stack.db.pool.query("UPDATE executions SET deadline_at = now() WHERE status = 'running'");
  reconcile(stack);
  const settled = await Promise.all(
    started.map(({ id, dispatch, attempt }) =>
      stack.settler.settle({ id, dispatch, attempt, outcome: "succeeded", outputText: "1" }),
    ),
  );
  const recorded = settled.filter((status) => status === "succeeded").length;
  const { rows } = await stack.db.pool.query<{ status: string; count: number }>(
    "SELECT status, count(*)::int AS count FROM executions WHERE output IS NOT NULL OR error IS NOT NULL GROUP BY 1",
  );
  const counts = Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  expect(counts["succeeded"] ?? 0).toBe(recorded);
  expect((counts["succeeded"] ?? 0) + (counts["failed"] ?? 0)).toBe(200);
});

describe.skipIf(!hasRedis())("reconciler and a Redis that loses things", () => {
  test("an emptied Redis is noticed within a turn and refilled from the record", async () => {
    const { url } = await database();
    const server = await startPrivateRedis();
    cleanUps.push(() => server.stop());
    const stack = await stackOf({ databaseUrl: url, redisUrl: server.url });
    const redis = new Redis(server.url);
    cleanUps.push(async () => redis.disconnect());
    const turns = reconcile(stack, createRedisCanary(redis));
    const engineId = freshEngineId();
    const executions = Array.from({ length: 50 }, () => newExecution({ engineId }));
    await Promise.all(executions.map((execution) => stack.submitter.submit(execution)));
    await turns.until(() => true);
    await turns.until(() => true);
    expect(turns.reports.every(({ putBack }) => putBack === 0)).toBe(true);
    await redis.flushall();
    await expect.poll(() => turns.reports.reduce((sum, { putBack }) => sum + putBack, 0)).toBe(50);
    const deliveries = listenForDeliveries(stack.queue, engineId);
    const ids = (await deliveries.next(50)).map(([id]) => id);
    expect(ids.sort()).toEqual(executions.map(({ id }) => id).sort());
    await deliveries.close();
  });

  test("an outage that loses nothing is not taken for a loss, a loss of one turn's writes is", async () => {
    const { url } = await database();
    const server = await startPrivateRedis();
    cleanUps.push(() => server.stop());
    const stack = await stackOf({ databaseUrl: url, redisUrl: server.url });
    const redis = new Redis(server.url);
    cleanUps.push(async () => redis.disconnect());
    const canary = createRedisCanary(redis);
    let away = false;
    let read = 0;
    const turns = reconcile(stack, {
      read: async () => {
        if (away) throw new Error("away");
        read += 1;
        return canary.read();
      },
      write: (tick) => canary.write(tick),
    });
    await stack.submitter.submit(newExecution({ engineId: freshEngineId() }));
    await expect.poll(() => read).toBeGreaterThan(3);
    away = true;
    const before = turns.reports.length;
    await expect.poll(() => turns.reports.length).toBeGreaterThan(before + 5);
    away = false;
    const readBefore = read;
    await expect.poll(() => read).toBeGreaterThan(readBefore + 2);
    const putBack = () => turns.reports.reduce((sum, report) => sum + report.putBack, 0);
    expect(putBack()).toBe(0);
    // As after a failover to a replica that lacks the last second.
    await redis.set("tl:canary", String(Number(await redis.get("tl:canary")) - 1));
    await expect.poll(putBack).toBeGreaterThan(0);
  });

  test("submits go on while Redis is away, and are delivered when it is back", async () => {
    const { url } = await database();
    const server = await startPrivateRedis();
    cleanUps.push(() => server.stop());
    const stack = await stackOf({ databaseUrl: url, redisUrl: server.url });
    const engineId = freshEngineId();
    const before = newExecution({ engineId });
    await stack.submitter.submit(before);
    await server.stop();
    const during = Array.from({ length: 20 }, () => newExecution({ engineId }));
    for (const execution of during) {
      expect((await stack.submitter.submit(execution)).kind).toBe("accepted");
    }
    await server.start();
    const deliveries = listenForDeliveries(stack.queue, engineId);
    const turns = reconcile(stack);
    await turns.until(() => true);
    const delivered = () => new Set(deliveries.items.map(([id]) => id));
    await expect
      .poll(() => during.every(({ id }) => delivered().has(id)), { timeout: 10_000 })
      .toBe(true);
    await deliveries.close();
  });
});
