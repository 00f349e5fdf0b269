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

test("deliveries that two workers got in opposite order do not wait for one another", async () => {
  const engineId = freshEngineId();
  const engine = { engineId, version: 1, concurrency: null };
  for (let round = 0; round < 10; round += 1) {
    const items = (await submitted(engineId, 200)).map((id) => [id, 0] as const);
    const started = await Promise.all([
      stack.starter.start(engine, items, patient),
      other.starter.start(engine, items.toReversed(), patient),
    ]);
    expect(new Set(started.flat().map(({ id }) => id)).size).toBe(200);
    expect(started.flat()).toHaveLength(200);
  }
  expect([...stack.errors, ...other.errors]).toEqual([]);
});
