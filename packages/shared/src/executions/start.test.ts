import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";

const patient = new AbortController().signal;
let database: FreshDatabase;
let stack: Stack;
let other: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  other = await openStack({ databaseUrl: database.url, redisUrl: null });
});
afterAll(async () => {
  await stack?.close();
  await other?.close();
  await database?.drop();
});

async function submitted(engineId: string, count: number): Promise<string[]> {
  const executions = Array.from({ length: count }, () => newExecution({ engineId }));
  await Promise.all(executions.map((execution) => stack.submitter.submit(execution)));
  return executions.map(({ id }) => id);
}

test.each([null, 10])(
  "of two deliveries of one execution that share a commit one starts it (ceiling %s)",
  async (concurrency) => {
    const engineId = freshEngineId();
    const [first = "", second = ""] = await submitted(engineId, 2);
    const engine = { engineId, version: 1, concurrency };
    // The first start is in flight while the two others join the next batch.
    const started = await Promise.all([
      stack.starter.start(engine, [[first, 0]], patient),
      stack.starter.start(engine, [[second, 0]], patient),
      stack.starter.start(engine, [[second, 0]], patient),
      stack.starter.start(
        engine,
        [
          [second, 0],
          [second, 0],
        ],
        patient,
      ),
    ]);
    expect(started.flat().map(({ id }) => id)).toEqual([first, second]);
  },
);

test.each([null, 10])(
  "a worker whose lease ended without its knowing renews it and drops no delivery (ceiling %s)",
  async (concurrency) => {
    const engineId = freshEngineId();
    const [id = ""] = await submitted(engineId, 1);
    // As after a pause of Postgres, or a step of its clock.
    await stack.db.pool.query(
      "UPDATE processes SET lease_until = now() - interval '1 s' WHERE id = $1",
      [stack.registration.id],
    );
    const engine = { engineId, version: 1, concurrency };
    const started = await stack.starter.start(engine, [[id, 0]], patient);
    expect(started).toMatchObject([{ id, dispatch: 1 }]);
  },
);

test("what was made ready while its start waited for its turn has waited for nothing", async () => {
  const engineId = freshEngineId();
  const [id = ""] = await submitted(engineId, 1);
  const client = await stack.db.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `tl-ceiling:${engineId}@1`,
    ]);
    const engine = { engineId, version: 1, concurrency: 10 };
    const starting = other.starter.start(engine, [[id, 0]], patient);
    const waits = `SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    await expect.poll(async () => (await stack.db.pool.query(waits)).rows).toEqual([{ count: 1 }]);
    await stack.db.pool.query(
      "UPDATE executions SET ready_at = clock_timestamp() + interval '1 s' WHERE id = $1",
      [id],
    );
    await client.query("COMMIT");
    expect(await starting).toMatchObject([{ id, queuedMs: 0 }]);
  } finally {
    client.release(true);
  }
});

test("executions are locked by id, so that workers with the same deliveries cannot block one another", async () => {
  const engineId = freshEngineId();
  const [lowest = "", highest = "", another = ""] = (await submitted(engineId, 3)).toSorted();
  const client = await stack.db.pool.connect();
  try {
    await client.query("BEGIN");
    const lock = "SELECT FROM executions WHERE id = $1 FOR UPDATE NOWAIT";
    await client.query(lock, [lowest]);
    const engine = { engineId, version: 1, concurrency: null };
    const starting = other.starter.start(
      engine,
      [
        [another, 0],
        [highest, 0],
        [lowest, 0],
      ],
      patient,
    );
    const waits = `SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await expect.poll(async () => (await stack.db.pool.query(waits)).rows).toEqual([{ count: 1 }]);
    await client.query(lock, [highest]);
    await client.query("COMMIT");
    expect(await starting).toHaveLength(3);
  } finally {
    client.release(true);
  }
});
