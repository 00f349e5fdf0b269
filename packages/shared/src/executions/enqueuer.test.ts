import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { cuttable, type Cuttable } from "../testing/cuttable.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  openStack,
  type Stack,
} from "../testing/stack.ts";

let database: FreshDatabase;
let direct: Database;
let way: Cuttable;
let stack: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  direct = openDatabase({
    url: database.url,
    max: 3,
    applicationName: "tl-direct",
    onError: () => {},
  });
  way = await cuttable(database.url);
  stack = await openStack({ databaseUrl: way.url, redisUrl: null, doubtMs: 500 });
});
afterAll(async () => {
  await stack?.close();
  await way?.close();
  if (direct !== undefined) await closeDatabase(direct);
  await database?.drop();
});

test("what a lost statement commits long after it was given up is enqueued, and not passed by the mark", async () => {
  const execution = newExecution({ engineId: freshEngineId() });
  const activity = (condition: string) => async () =>
    (
      await direct.pool.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'tl-test' AND ${condition}`,
      )
    ).rows[0]?.count;
  const blocker = await direct.pool.connect();
  await blocker.query("BEGIN");
  await blocker.query("LOCK TABLE executions IN SHARE MODE");
  const submitted = stack.submitter.submit(execution);
  submitted.catch(() => {});
  await expect.poll(activity("wait_event_type = 'Lock'")).toBe(1);
  way.cut();
  await expect(submitted).rejects.toThrow();
  // It is looked for at once, in vain: it is not committed yet.
  await expect.poll(activity("query LIKE '%HAVING sum(ready) > 0%'")).toBe(1);
  await blocker.query("COMMIT");
  blocker.release();
  const ready = async () =>
    (
      await direct.pool.query<{ ready_at: Date }>("SELECT ready_at FROM executions WHERE id = $1", [
        execution.id,
      ])
    ).rows[0];
  await expect.poll(ready).toBeDefined();
  const deliveries = listenForDeliveries(stack.queue, execution.engineId);
  expect(stack.enqueuer.enqueuedThrough().getTime()).toBeLessThanOrEqual(
    (await ready())?.ready_at.getTime() ?? 0,
  );
  expect(await deliveries.next(1)).toEqual([[execution.id, 0]]);
  await deliveries.close();
});

test("a frozen process keeps no ceiling closed", { timeout: 15_000 }, async () => {
  const execution = newExecution({ engineId: freshEngineId() });
  await stack.submitter.submit(execution);
  const frozen = await direct.pool.connect();
  await frozen.query("BEGIN");
  await frozen.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [
    `tl-ceiling:${execution.engineId}@1`,
  ]);
  const engine = { engineId: execution.engineId, version: 1, concurrency: 1 };
  const patient = new AbortController().signal;
  const started = await stack.starter.start(engine, [[execution.id, 0]], patient);
  expect(started).toHaveLength(1);
  frozen.release(true);
});
