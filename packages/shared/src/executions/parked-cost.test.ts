import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { releaseStranded } from "../breakers/release-stranded.ts";
import { blocksTouched } from "../testing/blocks-touched.ts";
import { insertOldExecutions } from "../testing/old-executions.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { parkedConnections, releaseParked, releaseProbe } from "./release-parked.ts";

const patient = new AbortController().signal;
const failure = { code: "upstream_error", detail: "503", retryable: true } as const;
let database: FreshDatabase;
let stack: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  const { pool } = stack.db;
  await insertOldExecutions(pool, { count: 10_000, daysOld: 2, finishedDaysAgo: 1 });
  await insertOldExecutions(pool, { count: 10_000, daysOld: 2 });
  await pool.query("VACUUM ANALYZE executions");
});
afterAll(async () => {
  await stack?.close();
  await database?.drop();
});

async function start(count: number): Promise<string[]> {
  const engineId = freshEngineId();
  const executions = Array.from({ length: count }, () => newExecution({ engineId }));
  await Promise.all(executions.map((execution) => stack.submitter.submit(execution)));
  const engine = { engineId, version: 1, concurrency: null };
  const ids = executions.map(({ id }) => id);
  const items = ids.map((id) => [id, 0] as const);
  expect(await stack.starter.start(engine, items, patient)).toHaveLength(count);
  return ids;
}

/** Blocks touched: the least of a few times, since Postgres may be cleaning up beside it, and plans its statements anew. */
async function cost(
  work: () => Promise<unknown>,
  before: () => Promise<unknown> = () => Promise.resolve(),
): Promise<number> {
  const times: number[] = [];
  for (let time = 0; time < 5; time++) {
    await before();
    times.push(await blocksTouched(stack.db.pool, work));
  }
  return Math.min(...times);
}

async function indexBytes(): Promise<number> {
  const { rows } = await stack.db.pool.query<{ bytes: string }>(
    "SELECT pg_relation_size('executions_parked') AS bytes",
  );
  return Number(rows[0]?.bytes);
}

test("executions that wait for no circuit pay nothing for those that do", async () => {
  const empty = await indexBytes();
  const ids = await start(300);
  await Promise.all(
    ids.map((id, n) => {
      const base = { id, dispatch: 1, attempt: 1, failure };
      return stack.settler.settle(
        n % 3 === 0
          ? { ...base, outcome: "failed" }
          : n % 3 === 1
            ? { ...base, outcome: "retry", delayMs: 3_600_000, reason: "retry_backoff" }
            : {
                ...base,
                outcome: "parked",
                delayMs: 3_600_000,
                reason: "retry_after",
                blockedBy: "connection:crm",
              },
      );
    }),
  );
  expect(await indexBytes()).toBe(empty);
  const { pool } = stack.db;
  expect(await cost(() => releaseStranded(pool, stack.signals))).toBeLessThan(5);
});

test("looking for what is parked, and releasing one of many, does not go through all of them", async () => {
  const { pool } = stack.db;
  const ids = await start(2_000);
  await Promise.all(
    ids.map((id, n) =>
      stack.settler.settle({
        id,
        dispatch: 1,
        attempt: 1,
        outcome: "parked",
        failure,
        delayMs: null,
        reason: "circuit_open",
        blockedBy: `connection:c${n % 2}`,
      }),
    ),
  );
  await pool.query(
    `INSERT INTO connection_breakers (connection_id, state, opened_at, openings, open_ms, retry_at)
     VALUES ('c0', 'open', now(), 1, 1, now())`,
  );
  expect(await parkedConnections(pool)).toEqual(["c0", "c1"]);
  expect(await cost(() => parkedConnections(pool))).toBeLessThan(100);
  const again = () => pool.query("UPDATE connection_breakers SET released_until = NULL");
  expect(
    await cost(async () => expect(await releaseProbe(pool, "c0")).toBe(true), again),
  ).toBeLessThan(150);
  expect(await releaseParked(pool, "c1")).toBe(1_000);
});
