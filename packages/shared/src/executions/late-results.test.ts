import type { Attempt } from "@tl-engine/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { describeExecution } from "./describe.ts";
import { endOverdue } from "./end-overdue.ts";
import { giveBack } from "./give-back.ts";
import { readExecutions } from "./read.ts";
import { executionColumns } from "./row.ts";
import type { Settlement } from "./settlement.ts";
import { takeBackLost } from "./take-back.ts";

const patient = new AbortController().signal;
const owner = { kind: "program", id: "key:abc" } as const;
const failure = { code: "upstream_error", detail: "out of luck", retryable: true } as const;
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

async function running(): Promise<Running> {
  const execution = newExecution({ engineId: freshEngineId() });
  await stack.submitter.submit(execution);
  await start(execution, 0);
  return execution;
}

async function start({ id, engineId }: Running, dispatch: number): Promise<void> {
  const engine = { engineId, version: 1, concurrency: null };
  expect(await stack.starter.start(engine, [[id, dispatch]], patient)).toHaveLength(1);
}

const returned = ({ id }: Running, dispatch: number): Settlement => {
  return { id, dispatch, attempt: 1, outcome: "succeeded", outputText: "1" };
};
const failed = ({ id }: Running, dispatch: number): Settlement => {
  return { id, dispatch, attempt: 1, outcome: "failed", failure };
};
const timedOut = ({ id }: Running, dispatch: number): Settlement => {
  const timeout = { code: "timeout", detail: "it took too long", retryable: true } as const;
  return { id, dispatch, attempt: 1, outcome: "failed", failure: timeout };
};
const retried = ({ id }: Running, dispatch: number): Settlement => {
  const base = { id, dispatch, attempt: 1, failure };
  return { ...base, outcome: "retry", delayMs: 60_000, reason: "retry_backoff" };
};

async function attempts({ id }: Running): Promise<Attempt[]> {
  const include = { output: false, input: false, attempts: true, calls: false };
  const [row] = await readExecutions(stack.db.pool, owner, [id], include);
  if (row === undefined) throw new Error(`there is no ${id}`);
  return JSON.parse(describeExecution(row, { output: false })).attempts;
}

/** Its worker is lost with it. */
async function loseWorker({ id }: Running): Promise<void> {
  await stack.db.pool.query("UPDATE executions SET worker_id = gen_random_uuid() WHERE id = $1", [
    id,
  ]);
  expect(await takeBackLost(stack.db.pool, stack.enqueuer, stack.signals)).toBe(1);
}

async function passDeadline({ id }: Running): Promise<void> {
  await stack.db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [id]);
  expect(await endOverdue(stack.db.pool, stack.signals)).toBe(1);
}

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test("what a worker says of an attempt that was taken back stands beside that attempt", async () => {
  const execution = await running();
  await loseWorker(execution);
  await start(execution, 2);
  expect(await stack.settler.settle(returned(execution, 1))).toBe("stale");
  expect(await attempts(execution)).toMatchObject([
    { dispatch: 1, outcome: "worker_lost", late_result: { outcome: "succeeded", code: null } },
    { dispatch: 3, outcome: "running", late_result: null },
  ]);
  expect(await stack.settler.settle(failed(execution, 3))).toBe("failed");
  const before = await attempts(execution);
  expect(before).toMatchObject([
    { late_result: { outcome: "succeeded", code: null, at: time } },
    { outcome: "failed", late_result: null },
  ]);
  // The first word counts, and the one who answers for it may say it again.
  expect(await stack.settler.settle(failed(execution, 1))).toBe("stale");
  expect(await stack.settler.settle(returned(execution, 1))).toBe("stale");
  expect(await attempts(execution)).toEqual(before);
});

test("the same for a failure of an attempt that was given back, without its words", async () => {
  const execution = await running();
  const item = { id: execution.id, dispatch: 1, alone: false };
  await giveBack(stack.db.pool, stack.enqueuer, stack.signals, [item]);
  expect(await stack.settler.settle(retried(execution, 1))).toBe("stale");
  const [first] = await attempts(execution);
  expect(first).toMatchObject({ outcome: "given_back", error: null });
  expect(first?.late_result).toEqual({ outcome: "failed", code: "upstream_error", at: time });
});

test("the same for an attempt that was ended past its deadline", async () => {
  const execution = await running();
  await passDeadline(execution);
  expect(await stack.settler.settle(returned(execution, 1))).toBe("stale");
  expect(await attempts(execution)).toMatchObject([
    { outcome: "failed", error: { code: "timeout" }, late_result: { outcome: "succeeded" } },
  ]);

  const failing = await running();
  await passDeadline(failing);
  expect(await stack.settler.settle(failed(failing, 1))).toBe("stale");
  expect(await attempts(failing)).toMatchObject([
    { error: { code: "timeout" }, late_result: { outcome: "failed", code: "upstream_error" } },
  ]);

  const canceled = await running();
  await stack.db.pool.query("UPDATE executions SET cancel_requested_at = now() WHERE id = $1", [
    canceled.id,
  ]);
  await passDeadline(canceled);
  expect(await stack.settler.settle(returned(canceled, 1))).toBe("stale");
  expect(await attempts(canceled)).toMatchObject([
    { outcome: "canceled", late_result: { outcome: "succeeded" } },
  ]);
});

test("a result that was recorded is not late when it is told again", async () => {
  for (const say of [returned, failed, timedOut, retried]) {
    const execution = await running();
    expect(await stack.settler.settle(say(execution, 1))).not.toBe("stale");
    expect(await stack.settler.settle(say(execution, 1))).toBe("stale");
    expect((await attempts(execution)).map((attempt) => attempt.late_result)).toEqual([null]);
  }
  const canceled = await running();
  await stack.db.pool.query("UPDATE executions SET cancel_requested_at = now() WHERE id = $1", [
    canceled.id,
  ]);
  expect(await stack.settler.settle(retried(canceled, 1))).toBe("canceled");
  expect(await stack.settler.settle(retried(canceled, 1))).toBe("stale");
  expect(await attempts(canceled)).toMatchObject([{ outcome: "canceled", late_result: null }]);
});

test("nothing is noted of an execution that nobody knows, nor of an attempt that there was not", async () => {
  const execution = await running();
  const unknown = newExecution();
  const count = async () =>
    (
      await stack.db.pool.query(
        "SELECT count(*)::int AS n FROM late_results WHERE execution_id = ANY($1)",
        [[execution.id, unknown.id]],
      )
    ).rows[0].n;
  const settled = await Promise.all(
    [returned(execution, 0), returned(execution, 5), returned(unknown, 1)].map((settlement) =>
      stack.settler.settle(settlement),
    ),
  );
  expect(settled).toEqual(["stale", "stale", "stale"]);
  expect(await count()).toBe(0);
});

test("who does not ask for attempts does not pay for it", () => {
  const nothing = { output: true, input: true, attempts: false, calls: true };
  expect(executionColumns(nothing)).not.toContain("FROM late_results");
  expect(executionColumns({ ...nothing, attempts: true })).toContain("FROM late_results");
});
