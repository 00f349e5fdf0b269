import type { ExecutionStatus } from "@tl-engine/contract";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, noBacklog, openStack, type Stack } from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { fillPlaces } from "./ceiling.ts";
import { endOverdueHandedOver } from "./end-handed-over.ts";
import { endOverdue } from "./end-overdue.ts";
import { giveBack } from "./give-back.ts";
import { createHandOver, type HandOverWriter } from "./hand-over.ts";
import { makeDueReady } from "./make-ready.ts";
import { refill } from "./refill.ts";
import { remoteHolder } from "./remote-holder.ts";
import { releaseParked } from "./release-parked.ts";
import { maxLosses, moves } from "./state.ts";
import { createSubmitter, type Submitter } from "./submit.ts";
import { takeBackLost } from "./take-back.ts";

const plane = { kind: "plane", id: "plane" } as const;
const patient = new AbortController().signal;
const failure = { code: "engine_error", detail: "no luck", retryable: true } as const;
const ceiling = 2;
let database: FreshDatabase;
let stack: Stack;
let submitter: Submitter;
let handOver: HandOverWriter;
/** Whether what is submitted has to wait for its turn. */
let full = false;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  const { db, enqueuer, registration } = stack;
  const backlog = { ...noBacklog, plan: (engines: readonly unknown[]) => engines.map(() => !full) };
  const ensureLease = () => registration.ensureLease();
  submitter = createSubmitter({ db, enqueuer, backlog, ensureLease });
  const { signals, errors } = stack;
  const onError = (error: unknown): void => void errors.push(error);
  handOver = createHandOver({ db, signals, workerId: registration.id, onError });
});
afterAll(async () => {
  await stack?.close();
  await database?.drop();
});

/** What is known of an execution without looking at the record. */
interface Model {
  id: string;
  callerId: string;
  status: ExecutionStatus;
  dispatch: number;
  attempt: number;
  losses: number;
  started: boolean;
  /** Why it is not ready though it is queued. */
  waits: "due" | "ceiling" | "turn" | "circuit" | null;
  /** A service holds it while it runs, and no worker. */
  remote: boolean;
  cancelAsked: boolean;
  effect: "prevented" | "aborted" | "too_late" | null;
}

type Command =
  | { kind: "submit"; delayed: boolean; full: boolean; callers: string[] }
  | { kind: "start"; of: number[]; stale: number; limited: boolean }
  | { kind: "settle"; of: number; stale: number; outcome: "succeeded" | "failed" | "retry" }
  | { kind: "hand over"; of: number; stale: number }
  | { kind: "park"; of: number; stale: number; reason: "retry_after" | "circuit_open" }
  | { kind: "release parked" }
  | { kind: "give back"; of: number; stale: number }
  | { kind: "cancel"; of: number }
  | { kind: "lose worker"; of: number }
  | { kind: "make due ready" }
  | { kind: "fill places" }
  | { kind: "refill"; window: number }
  | { kind: "pass deadline"; of: number };

const of = fc.nat({ max: 3 });
/** Mostly the dispatch that counts, at times an older or a newer one. */
const stale = fc.constantFrom(0, 0, 0, 0, 0, -1, 1);
const kinds: [weight: number, fc.Arbitrary<Command>][] = [
  [
    3,
    fc.record({
      kind: fc.constant("submit"),
      delayed: fc.boolean(),
      full: fc.boolean(),
      callers: fc.array(fc.constantFrom("key:a", "key:b"), { minLength: 1, maxLength: 4 }),
    }),
  ],
  [
    8,
    fc.record({
      kind: fc.constant("start"),
      of: fc.array(of, { minLength: 1, maxLength: 4 }),
      stale,
      limited: fc.boolean(),
    }),
  ],
  [
    3,
    fc.record({
      kind: fc.constant("settle"),
      of,
      stale,
      outcome: fc.constantFrom("succeeded", "failed", "retry", "retry"),
    }),
  ],
  [
    3,
    fc.record({
      kind: fc.constant("park"),
      of,
      stale,
      reason: fc.constantFrom("retry_after", "circuit_open"),
    }),
  ],
  [2, fc.record({ kind: fc.constant("release parked") })],
  [2, fc.record({ kind: fc.constant("give back"), of, stale })],
  [5, fc.record({ kind: fc.constant("hand over"), of, stale })],
  [1, fc.record({ kind: fc.constant("cancel"), of })],
  [6, fc.record({ kind: fc.constant("lose worker"), of: fc.nat({ max: 1 }) })],
  [2, fc.record({ kind: fc.constant("make due ready") })],
  [2, fc.record({ kind: fc.constant("fill places") })],
  [3, fc.record({ kind: fc.constant("refill"), window: fc.integer({ min: 1, max: 3 }) })],
  [1, fc.record({ kind: fc.constant("pass deadline"), of })],
] as [number, fc.Arbitrary<Command>][];
/** Each program leaves some moves out, so that others come often enough to get far. */
const programs = fc
  .subarray(kinds.slice(2), { minLength: 1 })
  .chain((some) =>
    fc.array(
      fc.oneof(
        ...[...kinds.slice(0, 2), ...some].map(([weight, arbitrary]) => ({ weight, arbitrary })),
      ),
      { minLength: 10, maxLength: 60 },
    ),
  );

function end(model: Model, status: ExecutionStatus, effect: Model["effect"] = null): void {
  model.status = status;
  model.waits = null;
  if (model.cancelAsked) model.effect = effect;
}

function isOver({ status }: Model): boolean {
  return !["scheduled", "queued", "running"].includes(status);
}

/** Carries out a command on the record and on the model; what the functions answer is compared as well. */
async function step(engineId: string, models: Model[], command: Command): Promise<void> {
  const { pool } = stack.db;
  const pick = (index: number): Model | undefined => models[index % Math.max(1, models.length)];
  switch (command.kind) {
    case "submit": {
      const delayMs = command.delayed ? 3_600_000 : null;
      full = command.full;
      for (const callerId of command.callers) {
        const execution = newExecution({ engineId, callerId, delayMs });
        await submitter.submit(execution);
        models.push({
          id: execution.id,
          callerId,
          status: command.delayed ? "scheduled" : "queued",
          dispatch: 0,
          attempt: 0,
          losses: 0,
          started: false,
          waits: command.delayed ? "due" : command.full ? "turn" : null,
          remote: false,
          cancelAsked: false,
          effect: null,
        });
      }
      return;
    }
    case "start": {
      const picked = [...command.of, command.of[0] ?? 0].flatMap((index) => pick(index) ?? []);
      const items = picked.map(({ id, dispatch }) => [id, dispatch + command.stale] as const);
      const engine = { engineId, version: 1, concurrency: command.limited ? ceiling : null };
      // Item by item in one batch, or below the ceiling: either way in the order given.
      const answer = await stack.starter.start(engine, items, patient);
      const may = new Set(command.stale === 0 ? picked : []);
      let places = command.limited
        ? ceiling - models.filter(({ status }) => status === "running").length
        : Number.POSITIVE_INFINITY;
      const expected: string[] = [];
      for (const model of may) {
        if (model.status !== "queued" || model.waits !== null) continue;
        if (places <= 0) {
          model.waits = "ceiling";
          continue;
        }
        places -= 1;
        model.status = "running";
        model.remote = false;
        model.dispatch += 1;
        model.attempt += 1;
        model.started = true;
        expected.push(model.id);
      }
      expect(answer.map(({ id }) => id).toSorted()).toEqual(expected.toSorted());
      return;
    }
    case "settle": {
      const model = pick(command.of);
      if (model === undefined) return;
      const base = {
        id: model.id,
        dispatch: model.dispatch + command.stale,
        attempt: model.attempt,
      };
      const answer = await stack.settler.settle(
        command.outcome === "succeeded"
          ? { ...base, outcome: "succeeded", outputText: "1" }
          : command.outcome === "failed"
            ? { ...base, outcome: "failed", failure }
            : { ...base, outcome: "retry", failure, delayMs: 3_600_000, reason: "retry_backoff" },
      );
      if (command.stale !== 0 || model.status !== "running") {
        expect(answer).toBe("stale");
        return;
      }
      if (command.outcome === "succeeded") end(model, "succeeded", "too_late");
      else if (model.cancelAsked) end(model, "canceled", "aborted");
      else if (command.outcome === "failed") end(model, "failed");
      else {
        model.status = "queued";
        model.waits = "due";
        model.dispatch += 1;
      }
      expect(answer).toBe(model.status);
      return;
    }
    case "park": {
      const model = pick(command.of);
      if (model === undefined) return;
      const answer = await stack.settler.settle({
        id: model.id,
        dispatch: model.dispatch + command.stale,
        attempt: model.attempt,
        outcome: "parked",
        failure,
        delayMs: command.reason === "circuit_open" ? null : 3_600_000,
        reason: command.reason,
        blockedBy: `connection:${engineId}`,
      });
      if (command.stale !== 0 || model.status !== "running") {
        expect(answer).toBe("stale");
        return;
      }
      if (model.cancelAsked) end(model, "canceled", "aborted");
      else {
        model.status = "queued";
        model.waits = command.reason === "circuit_open" ? "circuit" : "due";
        model.dispatch += 1;
        model.attempt -= 1;
      }
      expect(answer).toBe(model.status);
      return;
    }
    case "release parked": {
      const waiting = models.filter((model) => model.waits === "circuit");
      expect(await releaseParked(pool, engineId)).toBe(waiting.length);
      for (const model of waiting) model.waits = "due";
      return;
    }
    case "give back": {
      const model = pick(command.of);
      if (model === undefined) return;
      const item = { id: model.id, dispatch: model.dispatch + command.stale, alone: false };
      await giveBack(pool, stack.enqueuer, stack.signals, [item]);
      if (command.stale !== 0 || model.status !== "running" || model.remote) return;
      model.dispatch += 1;
      model.attempt -= 1;
      if (model.cancelAsked) end(model, "canceled", "prevented");
      else model.status = "queued";
      return;
    }
    case "hand over": {
      const model = pick(command.of);
      if (model === undefined) return;
      const { id, dispatch } = model;
      const answer = await handOver.handOver({ id, dispatch: dispatch + command.stale });
      if (command.stale !== 0 || model.status !== "running" || model.remote) {
        expect(answer).toBe("stale");
        return;
      }
      model.remote = true;
      if (model.cancelAsked) end(model, "canceled", "aborted");
      expect(answer).toBe(model.cancelAsked ? "canceled" : "handed_over");
      return;
    }
    case "cancel": {
      const model = pick(command.of);
      if (model === undefined) return;
      const { kind } = await cancelExecution(pool, stack.signals, plane, model.id);
      if (model.status === "running" && model.remote) {
        model.cancelAsked = true;
        end(model, "canceled", "aborted");
        expect(kind).toBe("canceled");
      } else if (model.status === "running") {
        model.cancelAsked = true;
        expect(kind).toBe("requested");
      } else if (isOver(model))
        expect(kind).toBe(model.status === "canceled" ? "canceled" : "finished");
      else {
        model.cancelAsked = true;
        end(model, "canceled", "prevented");
        expect(kind).toBe("canceled");
      }
      return;
    }
    case "lose worker": {
      const model = pick(command.of);
      if (model?.status !== "running") return;
      if (model.remote) {
        expect(await takeBackLost(pool, stack.enqueuer, stack.signals)).toBe(0);
        return;
      }
      await pool.query("UPDATE executions SET worker_id = gen_random_uuid() WHERE id = $1", [
        model.id,
      ]);
      expect(await takeBackLost(pool, stack.enqueuer, stack.signals)).toBe(1);
      model.dispatch += 1;
      model.attempt -= 1;
      model.losses += 1;
      if (model.cancelAsked) end(model, "canceled", "aborted");
      else if (model.losses >= maxLosses) end(model, "failed");
      else model.status = "queued";
      return;
    }
    case "make due ready": {
      await pool.query("UPDATE executions SET due_at = now() WHERE due_at IS NOT NULL");
      const waiting = models.filter((model) => model.waits === "due");
      expect(await makeDueReady(pool, stack.enqueuer, stack.backlog)).toBe(waiting.length);
      // Nobody goes ahead of those who wait for their turn.
      const turns = models.some((model) => model.waits === "turn");
      for (const model of waiting) {
        model.status = "queued";
        model.waits = turns ? "turn" : null;
      }
      return;
    }
    case "refill": {
      const engine = { engineId, version: 1 };
      const pace = { slots: 0, ahead: command.window, apis: 1 };
      const { moved } = await refill(pool, stack.enqueuer, engine, pace, "");
      const ahead = models.filter(
        ({ status, waits }) => status === "queued" && (waits === null || waits === "ceiling"),
      ).length;
      const room = ahead * 2 <= command.window ? command.window - ahead : 0;
      const filled = inTurns(
        models.filter(({ waits }) => waits === "turn"),
        room,
      ).slice(0, room);
      for (const model of filled) model.waits = null;
      expect(moved).toBe(filled.length);
      return;
    }
    case "fill places": {
      const limits = { engineId, version: 1, concurrency: ceiling };
      const ticket = stack.enqueuer.open();
      const rows = await fillPlaces(pool, stack.enqueuer.processId, limits);
      void stack.enqueuer.enqueue(ticket, rows);
      const running = models.filter(({ status }) => status === "running").length;
      const filled = models
        .filter((model) => model.waits === "ceiling")
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, Math.max(0, ceiling - running));
      for (const model of filled) model.waits = null;
      expect(rows.map(({ id }) => id).toSorted()).toEqual(filled.map(({ id }) => id).toSorted());
      return;
    }
    case "pass deadline": {
      const model = pick(command.of);
      if (model === undefined || isOver(model)) return;
      await pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [model.id]);
      if (model.status === "running" && model.remote) {
        expect(await endOverdue(pool, stack.signals)).toBe(0);
        expect(await endOverdueHandedOver(pool, stack.signals)).toBe(1);
        if (model.attempt < 3) {
          model.status = "queued";
          model.waits = "due";
          model.dispatch += 1;
        } else end(model, "failed");
        return;
      }
      expect(await endOverdueHandedOver(pool, stack.signals)).toBe(0);
      expect(await endOverdue(pool, stack.signals)).toBe(1);
      if (model.status !== "running" && !model.started) end(model, "expired");
      else if (model.cancelAsked) end(model, "canceled", "aborted");
      else end(model, "failed");
    }
  }
}

/** Callers in turn, each one's oldest first; of more callers than there is room only as many, by name. */
function inTurns(all: Model[], room: number): Model[] {
  const callers = [...new Set(all.map(({ callerId }) => callerId))].toSorted().slice(0, room);
  const waiting = all.filter(({ callerId }) => callers.includes(callerId));
  const byId = (a: Model, b: Model) => (a.id < b.id ? -1 : 1);
  const turnOf = (model: Model) =>
    waiting.filter((one) => one.callerId === model.callerId && one.id < model.id).length;
  return waiting.toSorted((a, b) => turnOf(a) - turnOf(b) || byId(a, b));
}

const counted = ["scheduled", "queued", "running", "succeeded", "failed", "canceled", "expired"];

/** What the record says, in the model's words, and whatever must hold of every row. */
async function check(
  engineId: string,
  models: Model[],
  finished: Map<string, string>,
  seen: Map<string, ExecutionStatus>,
): Promise<void> {
  const { rows } = await stack.db.pool.query(
    `SELECT id, caller_id AS "callerId", status, dispatch, attempt, losses, started_at IS NOT NULL AS started,
       CASE WHEN due_at IS NOT NULL THEN 'due' WHEN wait_reason = 'dispatch_pending' THEN 'turn' WHEN wait_reason = 'circuit_open' THEN 'circuit' WHEN wait_reason IS NOT NULL THEN 'ceiling' END AS waits,
       coalesce(worker_id = '${remoteHolder}', false) AS remote,
       cancel_requested_at IS NOT NULL AS "cancelAsked", cancel_effect AS effect,
       CASE status WHEN 'running' THEN worker_id IS NOT NULL AND ready_at IS NOT NULL WHEN 'scheduled' THEN due_at IS NOT NULL
         WHEN 'queued' THEN (ready_at IS NOT NULL AND enqueuer IS NOT NULL) OR due_at IS NOT NULL OR wait_reason = 'engine_concurrency'
           OR (wait_reason = 'dispatch_pending' AND waiting_since IS NOT NULL) OR (wait_reason = 'circuit_open' AND blocked_by IS NOT NULL)
         ELSE due_at IS NULL AND wait_reason IS NULL AND blocked_by IS NULL AND finished_at >= created_at
           AND (status = 'failed') = (error IS NOT NULL) AND (status = 'succeeded') = (output IS NOT NULL) END AS owned,
       (deadline_at IS NULL) = (finished_at IS NOT NULL) AS "hasDeadline", e.*::text AS whole
     FROM executions e WHERE engine_id = $1 ORDER BY created_at, id`,
    [engineId],
  );
  const known = rows.map(({ owned: _, hasDeadline: __, whole: ___, ...row }) => row);
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  expect(known.toSorted(byId)).toEqual(models.toSorted(byId));
  for (const row of rows) {
    expect(row).toMatchObject({ owned: true, hasDeadline: true });
    const before = finished.get(row.id);
    if (before !== undefined) expect(row.whole).toBe(before);
    const from = seen.get(row.id);
    if (from !== undefined && from !== row.status) expect(moves[from]).toContain(row.status);
    seen.set(row.id, row.status);
    if (counted.indexOf(row.status) > 2) finished.set(row.id, row.whole);
  }
  const sums = counted.map((status) => `coalesce(sum(${status}), 0)::int AS ${status}`).join(", ");
  const counters = await stack.db.pool.query(
    `SELECT ${sums}, coalesce(sum(ready), 0)::int AS ready, coalesce(sum(pending), 0)::int AS pending,
       coalesce(sum(accepted), 0)::int AS accepted
     FROM engine_counters WHERE engine_id = $1`,
    [engineId],
  );
  const number = (matches: (model: Model) => boolean) => models.filter(matches).length;
  expect(counters.rows[0]).toEqual({
    ...Object.fromEntries(counted.map((status) => [status, number((m) => m.status === status)])),
    ready: number((m) => m.status === "queued" && m.waits === null),
    pending: number((m) => m.waits === "turn"),
    accepted: models.length,
  });
}

test(
  "whatever happens in whatever order, the record does as the state machine says",
  { timeout: 180_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(programs, async (program) => {
        const engineId = freshEngineId();
        const models: Model[] = [];
        const finished = new Map<string, string>();
        const seen = new Map<string, ExecutionStatus>();
        for (const command of program) {
          await step(engineId, models, command);
          await check(engineId, models, finished, seen);
        }
        // Nothing of it may be in the way of the next program.
        for (const { id } of models) await cancelExecution(stack.db.pool, stack.signals, plane, id);
        await stack.db.pool.query(
          "UPDATE executions SET worker_id = gen_random_uuid() WHERE status = 'running' AND engine_id = $1",
          [engineId],
        );
        await takeBackLost(stack.db.pool, stack.enqueuer, stack.signals);
      }),
      { numRuns: 60 },
    );
    expect(stack.errors).toEqual([]);
  },
);
