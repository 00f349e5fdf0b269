import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { giveBack } from "./give-back.ts";
import { readExecutions } from "./read.ts";
import { maxReturns } from "./state.ts";

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

test("what comes back again and again ends, since each return has a new deadline", async () => {
  const { pool } = stack.db;
  const engineId = freshEngineId();
  const { id } = newExecution({ engineId });
  await stack.submitter.submit(newExecution({ engineId, id }));
  const start = async (dispatch: number): Promise<void> => {
    const engine = { engineId, version: 1, concurrency: null };
    const item = [id, dispatch] as const;
    expect(await stack.starter.start(engine, [item], new AbortController().signal)).toHaveLength(1);
  };
  const comesBack = (dispatch: number) =>
    giveBack(pool, stack.enqueuer, stack.signals, [{ id, dispatch, alone: false }]);
  const row = async () => {
    const include = { output: false, input: false, attempts: true, calls: false };
    return (await readExecutions(pool, { kind: "plane", id: "plane" }, [id], include))[0];
  };
  await start(0);
  await comesBack(1);
  expect(await row()).toMatchObject({ status: "queued", attempt: 0, attempts: { length: 1 } });
  await pool.query(
    `UPDATE executions SET earlier_attempts =
       (SELECT jsonb_agg(one) FROM (SELECT earlier_attempts -> 0 AS one FROM generate_series(1, $2)) AS repeated) WHERE id = $1`,
    [id, maxReturns - 1],
  );
  await start(2);
  await comesBack(3);
  expect(await row()).toMatchObject({ status: "queued", attempts: { length: maxReturns } });
  await start(4);
  await comesBack(5);
  // It may have waited for a place to run alone: only a day of that is too long.
  expect(await row()).toMatchObject({ status: "queued", attempts: { length: maxReturns } });
  await pool.query("UPDATE executions SET started_at = now() - interval '1 day' WHERE id = $1", [
    id,
  ]);
  await start(6);
  await comesBack(7);
  const ended = await row();
  expect(ended).toMatchObject({ status: "failed", attempts: { length: maxReturns + 1 } });
  expect(JSON.parse(ended?.error ?? "")).toMatchObject({ code: "worker_lost", retryable: false });
});
