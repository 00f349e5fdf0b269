import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { recordPending } from "../testing/pending-rows.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { refill } from "./refill.ts";
import { readPace } from "./window.ts";

const plane = { kind: "plane", id: "plane" } as const;
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

/** Brings in up to `ahead`. */
async function bringIn(engineId: string, ahead: number, lastCaller = "", by = stack) {
  const engine = { engineId, version: 1 };
  return refill(by.db.pool, by.enqueuer, engine, { slots: 0, ahead, apis: 1 }, lastCaller);
}

async function readyBy(engineId: string, column: "caller_id" | "priority") {
  const { rows } = await stack.db.pool.query<{ key: string | number; count: number }>(
    `SELECT ${column} AS key, count(*)::int AS count FROM executions
     WHERE engine_id = $1 AND wait_reason IS NULL AND status = 'queued' GROUP BY 1`,
    [engineId],
  );
  return Object.fromEntries(rows.map(({ key, count }) => [key, count]));
}

/** What is ready has gone: it runs somewhere. */
async function startAll(engineId: string): Promise<void> {
  await stack.db.pool.query(
    `UPDATE executions SET status = 'running', dispatch = 1, worker_id = gen_random_uuid()
     WHERE engine_id = $1 AND status = 'queued' AND wait_reason IS NULL`,
    [engineId],
  );
}

test("callers take turns, however long one's backlog is, and the rest of the room goes to who has more", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await recordPending(pool, { engineId, count: 500, callerId: "key:long" });
  await recordPending(pool, { engineId, count: 5, callerId: "key:short" });
  await recordPending(pool, { engineId, count: 1, callerId: "key:one" });
  const found = await bringIn(engineId, 30);
  expect(found).toMatchObject({ moved: 30, ahead: 30, pending: 476, busy: false, window: 30 });
  expect(await readyBy(engineId, "caller_id")).toEqual({
    "key:long": 24,
    "key:short": 5,
    "key:one": 1,
  });
});

test("within a caller it goes by priority and age", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await recordPending(pool, { engineId, count: 20, callerId: "key:a", priority: 2 });
  await recordPending(pool, { engineId, count: 4, callerId: "key:a", priority: 1 });
  await recordPending(pool, { engineId, count: 20, callerId: "key:b", priority: 3 });
  await bringIn(engineId, 12);
  expect(await readyBy(engineId, "priority")).toEqual({ 1: 4, 2: 2, 3: 6 });
  const { rows } = await pool.query(
    `SELECT max(id::text) FILTER (WHERE wait_reason IS NULL) < min(id::text) FILTER (WHERE wait_reason IS NOT NULL) AS oldest
     FROM executions WHERE engine_id = $1 AND priority = 3`,
    [engineId],
  );
  expect(rows).toEqual([{ oldest: true }]);
});

test("where more callers wait than there is room, each has his turn before any has a second one", async () => {
  const engineId = freshEngineId();
  await recordPending(stack.db.pool, { engineId, count: 150, callers: 50 });
  let last = "";
  const served: string[] = [];
  for (let page = 0; page < 5; page += 1) {
    const found = await bringIn(engineId, 10, last);
    expect(found.moved).toBe(10);
    last = found.lastCaller;
    served.push(...Object.keys(await readyBy(engineId, "caller_id")));
    await startAll(engineId);
  }
  expect(new Set(served).size).toBe(50);
  expect(served).toHaveLength(50);
});

test("nothing is brought in before half of the window is free", async () => {
  const engineId = freshEngineId();
  await recordPending(stack.db.pool, { engineId, count: 100 });
  expect((await bringIn(engineId, 10)).moved).toBe(10);
  expect((await bringIn(engineId, 19)).moved).toBe(0);
  expect((await bringIn(engineId, 20)).moved).toBe(10);
});

test("what waits below the engine's ceiling is ahead, too", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await recordPending(pool, { engineId, count: 100 });
  await bringIn(engineId, 10);
  await pool.query(
    "UPDATE executions SET wait_reason = 'engine_concurrency', ready_at = NULL WHERE engine_id = $1 AND wait_reason IS NULL",
    [engineId],
  );
  expect(await bringIn(engineId, 10)).toMatchObject({ moved: 0, ahead: 10 });
});

test("two processes at once do not bring in more than there is room for", async () => {
  const engineId = freshEngineId();
  await recordPending(stack.db.pool, { engineId, count: 400, callers: 7 });
  const found = await Promise.all(
    [stack, other, stack, other, stack, other].map((by) => bringIn(engineId, 50, "", by)),
  );
  expect(found.reduce((sum, { moved }) => sum + moved, 0)).toBe(50);
  expect(Object.values(await readyBy(engineId, "caller_id")).reduce((a, b) => a + b, 0)).toBe(50);
});

test("what is canceled, expired or in somebody else's hands is left out, and nobody waits for it", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await recordPending(pool, { engineId, count: 4 });
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id FROM executions WHERE engine_id = $1 ORDER BY id",
    [engineId],
  );
  const [canceled = "", expired = "", held = "", last = ""] = rows.map(({ id }) => id);
  expect(await cancelExecution(pool, stack.signals, plane, canceled)).toMatchObject({
    kind: "canceled",
  });
  await pool.query("UPDATE executions SET expires_at = now() WHERE id = $1", [expired]);
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT FROM executions WHERE id = $1 FOR UPDATE", [held]);
    expect(await bringIn(engineId, 10)).toMatchObject({ moved: 1, pending: 2 });
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
  const ready = await pool.query(
    "SELECT id FROM executions WHERE engine_id = $1 AND wait_reason IS NULL AND status = 'queued'",
    [engineId],
  );
  expect(ready.rows).toEqual([{ id: last }]);
});

test("the time that it waited here counts as time in the queue, once", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  await recordPending(pool, { engineId, count: 1 });
  await pool.query(
    "UPDATE executions SET waiting_since = now() - interval '1 minute' WHERE engine_id = $1",
    [engineId],
  );
  await bringIn(engineId, 1);
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id FROM executions WHERE engine_id = $1",
    [engineId],
  );
  const id = rows[0]?.id ?? "";
  const engine = { engineId, version: 1, concurrency: null };
  const [started] = await stack.starter.start(engine, [[id, 0]], new AbortController().signal);
  expect(started?.queuedMs).toBeGreaterThan(59_000);
  const timed = await pool.query<{ total: number }>(
    "SELECT sum(total_ms) AS total FROM engine_timings WHERE engine_id = $1 AND kind = 'queue'",
    [engineId],
  );
  expect(timed.rows[0]?.total).toBeGreaterThan(59_000);
});

test("the pace follows the live slots, the ceiling and what runs took lately", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  const pace = () => readPace(pool, { engineId, version: 1 });
  expect(await pace()).toMatchObject({ slots: 0, ahead: 16 });
  await stack.registration.serve([{ engineId, version: 1, slots: 10 }]);
  await other.registration.serve([{ engineId, version: 1, slots: 10 }]);
  // Nothing is known of its runs: one for each slot.
  expect(await pace()).toMatchObject({ slots: 20, ahead: 20, isGuess: true });
  const policy = (text: string) =>
    pool.query(
      `INSERT INTO engine_versions (engine_id, version, title, input_schema, output_schema, policy, fingerprint)
       VALUES ($1, 1, 'e', '{}', '{}', $2, 'f') ON CONFLICT (engine_id, version) DO UPDATE SET policy = excluded.policy`,
      [engineId, text],
    );
  await policy('{"short_ms":10,"concurrency":null}');
  expect(await pace()).toMatchObject({ slots: 20, ahead: 1_000 });
  await policy('{"short_ms":null,"concurrency":4}');
  expect(await pace()).toMatchObject({ slots: 4, ahead: 4 });
  // One that has run for a minute says more than a guess.
  const execution = newExecution({ engineId });
  await stack.submitter.submit(execution);
  await startAll(engineId);
  await pool.query(
    "UPDATE executions SET attempt_started_at = now() - interval '1 minute' WHERE id = $1",
    [execution.id],
  );
  expect(await pace()).toMatchObject({ slots: 4, ahead: 2 });
  const took = (slotAgo: number, ms: number) =>
    pool.query(
      `INSERT INTO engine_timings (slot, engine_id, version, kind, bucket, shard, count, total_ms)
       VALUES (extract(epoch FROM now())::bigint / 10 - $2, $1, 1, 'run', 1, 1, 10, 10 * $3::float8)`,
      [engineId, slotAgo, ms],
    );
  await took(20, 40);
  expect(await pace()).toMatchObject({ ahead: 50, isGuess: false });
  // The last minute counts, once something has ended in it.
  await took(0, 20);
  expect(await pace()).toMatchObject({ ahead: 100 });
  await other.registration.setDraining();
  await stack.registration.setDraining();
  expect(await pace()).toMatchObject({ slots: 0 });
});
