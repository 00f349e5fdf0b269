import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { newExecution, openStack, type Stack } from "../testing/stack.ts";
import { endOverdue } from "./end-overdue.ts";
import { giveBack } from "./give-back.ts";
import { makeDueReady } from "./make-ready.ts";
import { takeBackLost } from "./take-back.ts";

const patient = new AbortController().signal;
let database: FreshDatabase;
let stack: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
});
afterAll(async () => {
  await stack?.close();
  await database?.drop();
});

/** Rows that were read from `executions` by what `work` does, by whatever way. */
async function rowsRead(work: () => Promise<unknown>): Promise<number> {
  const { pool } = stack.db;
  const count = async () => {
    // Each session tells what it counted at the latest when it is asked for it.
    await Promise.all(
      Array.from({ length: pool.totalCount }, () =>
        pool.query("SELECT pg_stat_force_next_flush(), pg_sleep(0.05)"),
      ),
    );
    const { rows } = await pool.query<{ read: string }>(
      `SELECT seq_tup_read + idx_tup_fetch + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'executions') AS read
       FROM pg_stat_user_tables WHERE relname = 'executions'`,
    );
    return Number(rows[0]?.read);
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

test("what is due, lost, overdue or given back costs what it is, however many there are", async () => {
  const { pool } = stack.db;
  const count = 2_500;
  const engineId = "many";
  // The planner's picture, and the plans that the sessions keep, are of a time when much is finished and nothing waits.
  const earlier = Array.from({ length: count }, () => newExecution({ engineId }));
  await Promise.all(earlier.map((execution) => stack.submitter.submit(execution)));
  await pool.query(
    "UPDATE executions SET status = 'canceled', finished_at = now(), deadline_at = NULL",
  );
  await pool.query("VACUUM ANALYZE executions");
  for (let round = 0; round < 7; round += 1) {
    await makeDueReady(pool, stack.enqueuer, stack.backlog);
    await takeBackLost(pool, stack.enqueuer, stack.signals);
    await endOverdue(pool, stack.signals);
    await giveBack(pool, stack.enqueuer, stack.signals, [
      { id: newExecution().id, dispatch: 1, alone: false },
    ]);
  }
  const executions = Array.from({ length: count }, () =>
    newExecution({ engineId, delayMs: 60_000 }),
  );
  await Promise.all(executions.map((execution) => stack.submitter.submit(execution)));
  await pool.query("UPDATE executions SET due_at = now() WHERE status = 'scheduled'");
  expect(await rowsRead(() => makeDueReady(pool, stack.enqueuer, stack.backlog))).toBeLessThan(
    20 * count,
  );
  const engine = { engineId, version: 1, concurrency: null };
  const items = executions.map(({ id }) => [id, 0] as const);
  expect(await rowsRead(() => stack.starter.start(engine, items, patient))).toBeLessThan(
    20 * count,
  );
  const some = executions.slice(0, 10).map(({ id }) => ({ id, dispatch: 1, alone: false }));
  expect(await rowsRead(() => giveBack(pool, stack.enqueuer, stack.signals, some))).toBeLessThan(
    500,
  );
  await pool.query("UPDATE processes SET lease_until = now()");
  expect(await rowsRead(() => takeBackLost(pool, stack.enqueuer, stack.signals))).toBeLessThan(
    20 * count,
  );
  await pool.query("UPDATE executions SET deadline_at = now() WHERE status = 'queued'");
  expect(await rowsRead(() => endOverdue(pool, stack.signals))).toBeLessThan(20 * count);
}, 60_000);
