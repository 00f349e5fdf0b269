import pg from "pg";
import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { createRetentionMetrics } from "../metrics/retention-metrics.ts";
import { insertOldExecutions } from "../testing/old-executions.ts";
import { newExecution, noCanary, openStack, type Stack } from "../testing/stack.ts";
import { createReconciler } from "./reconcile.ts";
import { reportRetention } from "./report-retention.ts";
import { createCallIds } from "../outbound-log/call-ids.ts";
import { noExecution, toCallRow } from "../outbound-log/call-row.ts";
import { type ToldCall } from "../outbound-log/told-call.ts";
import { insertCalls } from "../outbound-log/insert-calls.ts";
import { toldCall } from "../testing/told-call.ts";
import { createRetention, type Retention, type RetentionOptions } from "./retention.ts";

const day = 86_400_000;
let database: FreshDatabase;
let stack: Stack;
beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
});
beforeEach(async () => {
  await stack.db.pool.query(
    "TRUNCATE executions, outbound_calls, late_results, execution_tombstones, idempotency_keys",
  );
});
afterAll(async () => {
  expect(stack.errors).toEqual([]);
  await stack.close();
  await database.drop();
});

const count = async (table: string): Promise<number> =>
  Number((await stack.db.pool.query(`SELECT count(*) FROM ${table}`)).rows[0].count);

function retentionOf(over: Partial<RetentionOptions> = {}) {
  return createRetention({
    pool: stack.db.pool,
    retentionMs: 7 * day,
    callRetentionMs: 7 * day,
    tombstoneRetentionMs: 90 * day,
    onError: (error) => void stack.errors.push(error),
    ...over,
  });
}

/** Turns of a leader, until the table holds no more than that. */
async function workUntil(retention: Retention, table: string, left: number): Promise<void> {
  await expect
    .poll(
      () => {
        retention.work();
        return count(table);
      },
      { timeout: 15_000 },
    )
    .toBe(left);
  await retention.stop();
}

test("the leader removes what is due, and its figures say so", async () => {
  await insertOldExecutions(stack.db.pool, {
    count: 1_200,
    daysOld: 9,
    finishedDaysAgo: 8,
    callsEach: 1,
  });
  const registry = new Registry();
  const retention = retentionOf(reportRetention(createRetentionMetrics(registry)));
  const reconciler = createReconciler({
    pool: stack.db.pool,
    queue: stack.queue,
    enqueuer: stack.enqueuer,
    backlog: stack.backlog,
    signals: stack.signals,
    canary: noCanary,
    leaseMs: 1_000,
    intervalMs: 50,
    onError: (error) => void stack.errors.push(error),
    retention,
  });
  reconciler.start();
  await expect.poll(() => count("executions"), { timeout: 20_000 }).toBe(0);
  await reconciler.stop();
  expect(await count("outbound_calls")).toBe(0);
  expect(await count("execution_tombstones")).toBe(1_200);
  const text = await registry.metrics();
  expect(text).toContain('tl_retention_purged_total{kind="execution"} 1200');
  expect(text).toContain('tl_retention_purged_total{kind="outbound_call"} 1200');
  expect(text).toMatch(/^tl_retention_lag_seconds \d/m);
});

test("tombstones leave when their own time is over, and no earlier", async () => {
  await stack.db.pool.query(
    `INSERT INTO execution_tombstones (execution_id, finished_at, purged_at, version, status, caller_id, engine_id)
     SELECT gen_random_uuid(), now() - interval '200 days', now() - days * interval '1 day', 1, 'failed', 'key:a', 'e'
     FROM unnest(ARRAY[89, 91]) AS days, generate_series(1, 1100)`,
  );
  await workUntil(retentionOf(), "execution_tombstones", 1_100);
});

test("idempotency keys leave after 25 h, whatever the time of retention is", async () => {
  await stack.db.pool.query(
    `INSERT INTO idempotency_keys (caller_id, key, request_hash, execution_id, created_at)
     SELECT 'key:a', hours || '/' || n, 'x', gen_random_uuid(), now() - hours * interval '1 hour'
     FROM unnest(ARRAY[24, 26]) AS hours, generate_series(1, 1100) AS n`,
  );
  await workUntil(retentionOf({ retentionMs: 60_000 }), "idempotency_keys", 1_100);
});

test("what was recorded of an execution after it had left leaves too", async () => {
  const { pool } = stack.db;
  const old = { count: 3, callsEach: 500 };
  const gone = await insertOldExecutions(pool, { ...old, daysOld: 9, finishedDaysAgo: 8 });
  const waits = await insertOldExecutions(pool, { ...old, daysOld: 10 });
  const young = await insertOldExecutions(pool, { ...old, daysOld: 1 });
  await pool.query(
    `INSERT INTO late_results (execution_id, dispatch, outcome) SELECT id, 1, 'succeeded' FROM unnest($1::uuid[]) AS id`,
    [[...gone, ...waits]],
  );
  await pool.query("DELETE FROM executions WHERE id = ANY($1)", [[...gone, ...young]]);
  const retention = retentionOf();
  const left = async (table: string) => {
    retention.work();
    const { rows } = await pool.query(
      `SELECT DISTINCT execution_id AS id FROM ${table} ORDER BY 1`,
    );
    return rows.map(({ id }) => id as string);
  };
  // Those of a young execution may belong to one that is being recorded at this moment.
  await expect
    .poll(() => left("outbound_calls"), { timeout: 15_000 })
    .toEqual([...waits, ...young]);
  await expect.poll(() => left("late_results"), { timeout: 15_000 }).toEqual(waits);
  await retention.stop();
});

test("late results leave with their execution", async () => {
  const [id] = await insertOldExecutions(stack.db.pool, {
    count: 1,
    daysOld: 9,
    finishedDaysAgo: 8,
  });
  await stack.db.pool.query(
    "INSERT INTO late_results (execution_id, dispatch, outcome) VALUES ($1, 1, 'succeeded')",
    [id],
  );
  await workUntil(retentionOf(), "executions", 0);
  expect(await count("late_results")).toBe(0);
});

test("executions that end while they are looked at are kept, each with its result", async () => {
  const { pool } = stack.db;
  // Old by their ids, and running: they end now, so that their time begins now.
  const ids = await insertOldExecutions(pool, { count: 40, daysOld: 9 });
  await pool.query(
    `UPDATE executions SET status = 'running', due_at = NULL, worker_id = gen_random_uuid(), dispatch = 1, attempt = 1,
       ready_at = now(), attempt_started_at = now() - interval '1 second', started_at = now() - interval '1 second'`,
  );
  const retention = retentionOf({ retentionMs: 60_000 });
  const working = setInterval(() => retention.work(), 1);
  await Promise.all(
    ids.map((id) =>
      stack.settler.settle({ id, dispatch: 1, attempt: 1, outcome: "succeeded", outputText: "1" }),
    ),
  );
  clearInterval(working);
  await retention.stop();
  const { rows } = await pool.query("SELECT status, output FROM executions ORDER BY id");
  expect(rows).toEqual(ids.map(() => ({ status: "succeeded", output: 1 })));
});

test("a leader that cannot reach Postgres falls behind, says so, and tries again later", async () => {
  const away = new pg.Pool({ connectionString: "postgres://127.0.0.1:1/none" });
  const lags: number[] = [];
  const errors: unknown[] = [];
  const retention = retentionOf({
    pool: away,
    retentionMs: 1_000,
    onLag: (ms) => lags.push(ms),
    onError: (error) => void errors.push(error),
  });
  retention.work();
  await expect.poll(() => errors.length, { timeout: 15_000 }).toBe(5);
  await expect
    .poll(() => {
      retention.work();
      return lags.at(-1);
    })
    .toBeGreaterThan(50);
  // Each of its chores once: not in every turn of an outage.
  expect(errors).toHaveLength(5);
  retention.rest();
  expect(lags.at(-1)).toBe(0);
  await retention.stop();
  await away.end();
});

test("outbound calls leave by their own age, those of no execution too, and others stay", async () => {
  const newId = createCallIds();
  const startedDaysAgo = (days: number, over: Partial<ToldCall> = {}) => {
    const started_at = new Date(Date.now() - days * day).toISOString();
    return toCallRow(toldCall({ started_at, ...over }), {
      whose: { callerId: "key:one", engineId: "e" },
      now: Date.now(),
      newId,
      seal: null,
    });
  };
  await stack.db.pool.query("DELETE FROM outbound_calls");
  const body = "x".repeat(5_000);
  await insertCalls(stack.db.pool, [
    ...Array.from({ length: 2_500 }, () => startedDaysAgo(3, { response_body: body })),
    startedDaysAgo(3, { execution_id: noExecution, purpose: "callback" }),
    startedDaysAgo(1),
    startedDaysAgo(1, { execution_id: noExecution, purpose: "token" }),
  ]);
  const removed: unknown[] = [];
  const retention = retentionOf({
    callRetentionMs: 2 * day,
    onRemoved: (kind, rows) => removed.push([kind, rows]),
  });
  await workUntil(retention, "outbound_calls", 2);
  await retention.stop();
  expect(await count("outbound_calls")).toBe(2);
  expect(removed).toEqual([1_000, 1_000, 501].map((rows) => ["outbound_call", rows]));
});

test("whoever has lost the lead stops, and a stop waits for the statement under way", async () => {
  await insertOldExecutions(stack.db.pool, { count: 10_000, daysOld: 9, finishedDaysAgo: 8 });
  const removed: number[] = [];
  const retention = retentionOf({ onRemoved: (_, rows) => removed.push(rows) });
  retention.work();
  await expect.poll(() => removed.length).toBeGreaterThan(0);
  const pages = removed.length;
  retention.rest();
  await retention.stop();
  expect(removed.length).toBeLessThanOrEqual(pages + 1);
  const left = await count("executions");
  expect(left).toBe(10_000 - removed.reduce((a, b) => a + b, 0));
  expect(left).toBeGreaterThan(0);
  retention.work();
  await retention.stop();
  expect(await count("executions")).toBe(left);
});

test("an execution that a submit has just recorded is never due", async () => {
  await stack.submitter.submit(newExecution());
  const retention = retentionOf({ retentionMs: 1 });
  retention.work();
  await retention.stop();
  expect(await count("executions")).toBe(1);
});
