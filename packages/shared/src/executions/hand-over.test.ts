import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { endOverdueHandedOver } from "./end-handed-over.ts";
import { endOverdue } from "./end-overdue.ts";
import { giveBack } from "./give-back.ts";
import { createHandOver, type HandOverWriter } from "./hand-over.ts";
import { readHandedOver } from "./handed-over-figures.ts";
import { readHeld } from "./held.ts";
import { putBackOfLostProcesses } from "./lost-processes.ts";
import { remoteHolder } from "./remote-holder.ts";
import { takeBackLost } from "./take-back.ts";

const plane = { kind: "plane", id: "plane" } as const;
const failure = { code: "engine_error", detail: "no luck", retryable: true } as const;
let database: FreshDatabase;
let stack: Stack;
let writer: HandOverWriter;
let engineId: string;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  const { db, signals, registration, errors } = stack;
  const onError = (error: unknown): void => void errors.push(error);
  writer = createHandOver({ db, signals, workerId: registration.id, onError });
});
afterAll(async () => {
  expect(stack.errors).toEqual([]);
  await stack?.close();
  await database?.drop();
});
beforeEach(() => {
  engineId = freshEngineId();
});

const start = async (id: string, dispatch: number) => {
  const engine = { engineId, version: 1, concurrency: null };
  const [started] = await stack.starter.start(
    engine,
    [[id, dispatch]],
    new AbortController().signal,
  );
  return started!;
};
async function running(over = {}): Promise<{ id: string; dispatch: number }> {
  const execution = newExecution({ engineId, ...over });
  await stack.submitter.submit(execution);
  const { id, dispatch } = await start(execution.id, 0);
  return { id, dispatch };
}
async function handedOver(over = {}): Promise<{ id: string; dispatch: number }> {
  const one = await running(over);
  expect(await writer.handOver(one)).toBe("handed_over");
  return one;
}
const read = async ({ id }: { id: string }) => {
  const { rows } = await stack.db.pool.query("SELECT * FROM executions WHERE id = $1", [id]);
  return rows[0];
};

test("it stays running under its dispatch, its worker holds it no more, and its deadline is its timeout's", async () => {
  const one = await handedOver({ timeoutMs: 90_000 });
  const row = await read(one);
  expect(row).toMatchObject({ status: "running", dispatch: one.dispatch, worker_id: remoteHolder });
  expect(row.deadline_at - row.attempt_started_at).toBe(90_000);
  expect(await readHeld(stack.db.pool, stack.registration.id)).not.toContainEqual(
    expect.objectContaining({ id: one.id }),
  );
  expect(await writer.handOver(one)).toBe("stale");
  const figures = await readHandedOver(stack.db.pool);
  expect(figures.find((each) => each.engineId === engineId)).toMatchObject({ count: 1 });
});

test("nobody but its worker hands it over, and not under another dispatch", async () => {
  const one = await running();
  const { db, signals } = stack;
  const stranger = createHandOver({
    db,
    signals,
    workerId: "019a0000-0000-7000-8000-000000000001",
    onError: () => {},
  });
  expect(await stranger.handOver(one)).toBe("stale");
  expect(await writer.handOver({ ...one, dispatch: one.dispatch - 1 })).toBe("stale");
  expect((await read(one)).worker_id).toBe(stack.registration.id);
});

test("where a cancel was asked for, it ends as canceled: nothing waits for the service", async () => {
  const one = await running();
  const { db, signals } = stack;
  expect((await cancelExecution(db.pool, signals, plane, one.id)).kind).toBe("requested");
  expect(await writer.handOver(one)).toBe("canceled");
  expect(await read(one)).toMatchObject({ status: "canceled", cancel_effect: "aborted" });
});

test("a cancel after it ends it at once", async () => {
  const one = await handedOver();
  const { db, signals, settler } = stack;
  expect((await cancelExecution(db.pool, signals, plane, one.id)).kind).toBe("canceled");
  expect(await read(one)).toMatchObject({ status: "canceled", cancel_effect: "aborted" });
  const late = { ...one, attempt: 1, outcome: "succeeded", outputText: "1" } as const;
  expect(await settler.settle(late)).toBe("stale");
});

test("neither a lost lease, nor a give-back, nor the end of what workers run touches it, with and without the holder's row", async () => {
  const { db, enqueuer, signals } = stack;
  const one = await handedOver();
  const before = await read(one);
  const tryAll = async (): Promise<void> => {
    await takeBackLost(db.pool, enqueuer, signals);
    await giveBack(db.pool, enqueuer, signals, [{ ...one, alone: false }]);
    await endOverdue(db.pool, signals);
    await putBackOfLostProcesses(db.pool, enqueuer, "infinity");
  };
  const holder = async () =>
    (await db.pool.query("SELECT lease_until FROM processes WHERE id = $1", [remoteHolder])).rows;
  expect(await holder()).toEqual([{ lease_until: Number.POSITIVE_INFINITY }]);
  await tryAll();
  expect(await holder()).toHaveLength(1);
  expect(await read(one)).toEqual(before);
  await db.pool.query("UPDATE processes SET lease_until = now() - interval '1 h' WHERE id = $1", [
    remoteHolder,
  ]);
  await tryAll();
  await db.pool.query("DELETE FROM processes WHERE id = $1", [remoteHolder]);
  await tryAll();
  expect(await read(one)).toEqual(before);
  await db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [one.id]);
  await db.pool.query(
    "INSERT INTO processes (id, kind, host, pid, lease_until, draining) VALUES ($1, 'worker', 'remote', 0, 'infinity', true)",
    [remoteHolder],
  );
  await endOverdue(db.pool, signals);
  expect((await read(one)).status).toBe("running");
  expect(await endOverdueHandedOver(db.pool, signals)).toBe(1);
});

test("past its timeout it is tried again under the engine's policy, the last time it fails, and what is said of it is stale", async () => {
  const { db, signals, settler } = stack;
  await db.pool.query(
    `INSERT INTO engine_versions (engine_id, version, title, input_schema, output_schema, policy, fingerprint)
     VALUES ($1, 1, 'x', '{}', '{}', '{"backoff_initial_ms": 1000, "backoff_factor": 100, "backoff_max_ms": 3000}', 'x')`,
    [engineId],
  );
  const pass = async (id: string): Promise<void> => {
    await db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [id]);
    expect(await endOverdueHandedOver(db.pool, signals)).toBe(1);
  };
  let one = await handedOver({ maxAttempts: 3 });
  expect(await endOverdueHandedOver(db.pool, signals)).toBe(0);
  for (const mostMs of [1_000, 3_000]) {
    await pass(one.id);
    const row = await read(one);
    expect(row).toMatchObject({
      status: "queued",
      wait_reason: "retry_backoff",
      dispatch: one.dispatch + 1,
    });
    expect(row.due_at - row.attempt_ended_at).toBeLessThanOrEqual(mostMs);
    expect(row.earlier_attempts.at(-1)).toMatchObject({
      worker_id: remoteHolder,
      outcome: "failed",
      error: { code: "timeout", attempt: row.attempt },
    });
    const late = { ...one, attempt: 1, outcome: "failed", failure } as const;
    expect(await settler.settle(late)).toBe("stale");
    await db.pool.query(
      "UPDATE executions SET due_at = NULL, wait_reason = NULL, ready_at = now() WHERE id = $1",
      [one.id],
    );
    const { id, dispatch } = await start(one.id, row.dispatch);
    one = { id, dispatch };
    expect(await writer.handOver(one)).toBe("handed_over");
  }
  await pass(one.id);
  expect(await read(one)).toMatchObject({
    status: "failed",
    attempt: 3,
    error: { code: "timeout", attempt: 3, retryable: true },
  });
});
