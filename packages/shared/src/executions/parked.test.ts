import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  openStack,
  type Stack,
} from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { describeExecution } from "./describe.ts";
import { endOverdue } from "./end-overdue.ts";
import { readEngineFigures } from "./figures.ts";
import { makeDueReady } from "./make-ready.ts";
import { readExecutions } from "./read.ts";
import { parkedConnections, releaseParked, releaseProbe } from "./release-parked.ts";
import type { Settlement } from "./settlement.ts";
import { maxParks } from "./state.ts";

const patient = new AbortController().signal;
const owner = { kind: "program", id: "key:abc" } as const;
const failure = { code: "upstream_error", detail: "503 of crm", retryable: true } as const;
const dayMs = 24 * 3_600_000;
let database: FreshDatabase;
let stack: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
});
afterAll(async () => {
  expect(stack?.errors).toEqual([]);
  await stack?.close();
  await database?.drop();
});

interface Running {
  id: string;
  engineId: string;
}

async function running(engineId = freshEngineId()): Promise<Running> {
  const execution = newExecution({ engineId });
  await stack.submitter.submit(execution);
  await start(execution, 0);
  return execution;
}

async function start({ id, engineId }: Running, dispatch: number): Promise<void> {
  const engine = { engineId, version: 1, concurrency: null };
  expect(await stack.starter.start(engine, [[id, dispatch]], patient)).toHaveLength(1);
}

type Parked = Extract<Settlement, { outcome: "parked" }>;
function park(
  { id }: Running,
  dispatch: number,
  how: Partial<Pick<Parked, "delayMs" | "reason" | "blockedBy">> = {},
): Promise<string> {
  const base = { id, dispatch, attempt: 1, failure, outcome: "parked" } as const;
  return stack.settler.settle({
    ...base,
    delayMs: null,
    reason: "circuit_open",
    blockedBy: "connection:crm",
    ...how,
  });
}

async function status({ id }: Running): Promise<Record<string, unknown> & { wait: unknown }> {
  const include = { output: false, input: false, attempts: true, calls: false };
  const [row] = await readExecutions(stack.db.pool, owner, [id], include);
  if (row === undefined) throw new Error(`there is no ${id}`);
  return JSON.parse(describeExecution(row, { output: false }));
}

async function column(column: string, { id }: Running): Promise<number> {
  const { rows } = await stack.db.pool.query(
    `SELECT extract(epoch FROM ${column} - now())::float8 * 1000 AS ms FROM executions WHERE id = $1`,
    [id],
  );
  return rows[0].ms;
}

async function openCircuit(connection: string, retryInMs: number): Promise<void> {
  await stack.db.pool.query(
    `INSERT INTO connection_breakers (connection_id, state, opened_at, openings, open_ms, retry_at)
     VALUES ($1, 'open', now(), 1, 30000, now() + $2 * interval '1 millisecond')
     ON CONFLICT (connection_id) DO UPDATE SET state = 'open', opened_at = now(), retry_at = excluded.retry_at,
       released_until = NULL, probe_id = NULL, probe_until = NULL`,
    [connection, retryInMs],
  );
}

async function closeCircuit(connection: string): Promise<void> {
  await stack.db.pool.query("DELETE FROM connection_breakers WHERE connection_id = $1", [
    connection,
  ]);
}

test("what is parked holds no slot, counts no attempt, and says what it waits for", async () => {
  const execution = await running();
  await openCircuit("crm", 20_000);
  expect(await park(execution, 1)).toBe("queued");
  expect(await status(execution)).toMatchObject({
    status: "queued",
    attempt: 0,
    error: null,
    wait: {
      reason: "circuit_open",
      until: expect.stringMatching(/Z$/),
      blocked_by: "connection:crm",
    },
    attempts: [{ attempt: 1, dispatch: 1, outcome: "parked", error: { code: "upstream_error" } }],
  });
  await closeCircuit("crm");
  expect((await status(execution)).wait).toMatchObject({ until: null });
  // Late and double words change nothing, and are no late result.
  expect(await park(execution, 1)).toBe("stale");
  expect(await status(execution)).toMatchObject({ attempts: [{ late_result: null }] });
});

test("with a time it is due by itself, no later than a day from then", async () => {
  const short = await running();
  await park(short, 1, { delayMs: 0, reason: "retry_after", blockedBy: null });
  expect((await status(short)).wait).toMatchObject({ reason: "retry_after", blocked_by: null });
  await makeDueReady(stack.db.pool, stack.enqueuer, stack.backlog);
  await start(short, 2);
  expect(await status(short)).toMatchObject({ attempt: 1, wait: null });

  const days = await running();
  await park(days, 1, { delayMs: 7 * dayMs, reason: "retry_after" });
  expect(await column("due_at", days)).toBeLessThanOrEqual(dayMs);
  // Should nobody serve its engine then, it still has its day.
  expect(await column("deadline_at - due_at + now()", days)).toBe(dayMs);
});

test("what waits for nothing that would release it is due after a while", async () => {
  for (const how of [{ blockedBy: null }, { reason: "retry_after" }] as const) {
    const execution = await running();
    await park(execution, 1, how);
    expect(await column("due_at", execution)).toBeGreaterThan(0);
  }
});

test("an outage costs no execution before its ttl is over, nor before a day", async () => {
  const week = newExecution({ engineId: freshEngineId(), ttlMs: 7 * dayMs });
  await stack.submitter.submit(week);
  await start(week, 0);
  await park(week, 1);
  expect(await column("deadline_at", week)).toBeGreaterThan(6 * dayMs);
  const hour = newExecution({ engineId: freshEngineId(), ttlMs: 3_600_000 });
  await stack.submitter.submit(hour);
  await start(hour, 0);
  await park(hour, 1);
  expect(await column("deadline_at", hour)).toBeGreaterThan(dayMs - 60_000);
  // Its last error is what it ends with.
  await stack.db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [hour.id]);
  expect(await endOverdue(stack.db.pool, stack.signals)).toBe(1);
  expect(await status(hour)).toMatchObject({
    status: "failed",
    error: { code: "upstream_error", detail: "503 of crm" },
    wait: null,
  });
  // Released at the last moment it has its time to start.
  await stack.db.pool.query(
    "UPDATE executions SET deadline_at = now() + interval '1 s' WHERE id = $1",
    [week.id],
  );
  await releaseParked(stack.db.pool, "crm");
  expect(await column("deadline_at", week)).toBeGreaterThan(dayMs - 60_000);
  await cancelExecution(stack.db.pool, stack.signals, owner, week.id);
});

test("a cancel ends it, whether it is parked or about to be", async () => {
  const asked = await running();
  await cancelExecution(stack.db.pool, stack.signals, owner, asked.id);
  expect(await park(asked, 1)).toBe("canceled");
  expect(await status(asked)).toMatchObject({ status: "canceled", cancel: { effect: "aborted" } });
  const parked = await running();
  await park(parked, 1, { blockedBy: "connection:canceled" });
  expect(await parkedConnections(stack.db.pool)).toContain("canceled");
  await cancelExecution(stack.db.pool, stack.signals, owner, parked.id);
  expect(await status(parked)).toMatchObject({ status: "canceled", wait: null });
  expect(await parkedConnections(stack.db.pool)).not.toContain("canceled");
});

test("what is parked for ever fails with its last error, and its row does not grow for ever", async () => {
  const execution = await running();
  const { pool } = stack.db;
  await park(execution, 1, { delayMs: 0 });
  await pool.query(
    `UPDATE executions SET earlier_attempts =
       (SELECT jsonb_agg(one) FROM (SELECT earlier_attempts -> 0 AS one FROM generate_series(1, $2)) AS repeated) WHERE id = $1`,
    [execution.id, maxParks],
  );
  const again = async (dispatch: number): Promise<string> => {
    await makeDueReady(pool, stack.enqueuer, stack.backlog);
    await start(execution, dispatch - 1);
    return park(execution, dispatch, { delayMs: 0 });
  };
  expect(await again(3)).toBe("queued");
  const { attempts } = await status(execution);
  expect(attempts).toHaveLength(maxParks);
  expect((attempts as unknown[]).at(-1)).toMatchObject({ dispatch: 3, outcome: "parked" });
  await pool.query("UPDATE executions SET started_at = now() - interval '1 day' WHERE id = $1", [
    execution.id,
  ]);
  expect(await again(5)).toBe("queued");
  await pool.query("UPDATE executions SET expires_at = now() WHERE id = $1", [execution.id]);
  expect(await again(7)).toBe("failed");
  expect(await status(execution)).toMatchObject({ error: { detail: "503 of crm" }, wait: null });
});

test("the figures that more workers are started by do not count it", async () => {
  const engineId = freshEngineId();
  await park(await running(engineId), 1);
  await park(await running(engineId), 1, { reason: "retry_after", delayMs: 60_000 });
  const [figures] = await readEngineFigures(stack.db.pool, [engineId]);
  expect(figures).toMatchObject({ queued: 2, runnable: 0, oldestQueuedSeconds: 0, running: 0 });
});

test("one is released to try the circuit when it is time, and all when it is closed, first parked first", async () => {
  const engineId = freshEngineId();
  const { pool } = stack.db;
  const blockedBy = "connection:slow";
  const executions: Running[] = [];
  for (let n = 0; n < 4; n++) executions.push(await running(engineId));
  // Parked in another order than they were made in.
  const parked = [2, 0, 3, 1].flatMap((n) => executions[n] ?? []);
  for (const execution of parked) await park(execution, 1, { blockedBy });
  const ids = parked.map(({ id }) => id);
  await openCircuit("slow", 60_000);
  expect(await releaseProbe(pool, "slow")).toBe(false);
  expect(await releaseParked(pool, "slow")).toBe(0);
  await openCircuit("slow", 0);
  expect(await releaseProbe(pool, "slow")).toBe(true);
  expect(await releaseProbe(pool, "slow")).toBe(false);
  const deliveries = listenForDeliveries(stack.queue, engineId);
  expect(await makeDueReady(pool, stack.enqueuer, stack.backlog)).toBe(1);
  // The starts above had deliveries, too.
  const items = (await deliveries.next(5)).filter(([, dispatch]) => dispatch === 2);
  expect(items).toEqual([[ids[0], 2]]);
  await pool.query(
    "UPDATE connection_breakers SET released_until = now() WHERE connection_id = 'slow'",
  );
  expect(await releaseProbe(pool, "slow")).toBe(true);
  await closeCircuit("slow");
  expect(await releaseParked(pool, "slow")).toBe(2);
  expect(await makeDueReady(pool, stack.enqueuer, stack.backlog)).toBe(3);
  expect((await deliveries.next(3)).map(([id]) => id)).toEqual(ids.slice(1));
  await deliveries.close();
});
