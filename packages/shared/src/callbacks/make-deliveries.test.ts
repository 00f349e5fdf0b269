import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { cancelExecution } from "../executions/cancel.ts";
import { endOverdue } from "../executions/end-overdue.ts";
import { giveBack } from "../executions/give-back.ts";
import type { NewExecution } from "../executions/record.ts";
import { takeBackLost } from "../executions/take-back.ts";
import { createSecretBox } from "../secrets/secret-box.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { changeEndpoint, deleteEndpoint } from "./change-endpoint.ts";
import { createEndpoint } from "./create-endpoint.ts";
import { readCallbacks } from "./deliveries.ts";

const url = "https://example.com:8443/hook?token=1";
const callbackText = JSON.stringify({ url });
const box = createSecretBox([randomBytes(32).toString("base64")]);
const patient = new AbortController().signal;
const failure = { code: "engine_error", detail: "no luck", retryable: true } as const;

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

let callers = 0;
const freshCaller = (): string => `key:caller${++callers}`;

async function submit(over: Partial<NewExecution> = {}): Promise<NewExecution> {
  const execution = newExecution({ engineId: freshEngineId(), callerId: freshCaller(), ...over });
  await stack.submitter.submit(execution);
  return execution;
}

async function started(over: Partial<NewExecution> = {}) {
  const execution = await submit(over);
  const engine = { engineId: execution.engineId, version: 1, concurrency: null };
  const [running] = await stack.starter.start(engine, [[execution.id, 0]], patient);
  if (running === undefined) throw new Error("not started");
  return running;
}

const events = async (id: string) =>
  (await readCallbacks(stack.db.pool, id)).map(({ event, status }) => [event, status]);
const once = (event: string) => [[`execution.${event}`, "pending"]];

describe("an execution with a callback has one delivery when it", () => {
  it("succeeds, also where it is settled again and again", async () => {
    const { id, dispatch, attempt } = await started({ callbackText });
    expect(await events(id)).toEqual([]);
    const settlement = { id, dispatch, attempt, outcome: "succeeded", outputText: "1" } as const;
    expect(await stack.settler.settle(settlement)).toBe("succeeded");
    const [delivery] = await readCallbacks(stack.db.pool, id);
    expect(delivery).toMatchObject({ url, endpoint: null, tries: 0, last_error: null });
    expect(await stack.settler.settle(settlement)).toBe("stale");
    expect(await readCallbacks(stack.db.pool, id)).toEqual([delivery]);
  });

  it("fails, and none when it is tried again", async () => {
    const { id, dispatch, attempt } = await started({ callbackText });
    const retry = { delayMs: 60_000, reason: "retry_backoff" } as const;
    await stack.settler.settle({ id, dispatch, attempt, outcome: "retry", failure, ...retry });
    expect(await events(id)).toEqual([]);
    const other = await started({ callbackText });
    await stack.settler.settle({
      id: other.id,
      dispatch: other.dispatch,
      attempt: other.attempt,
      outcome: "failed",
      failure,
    });
    expect(await events(other.id)).toEqual(once("failed"));
  });

  it("is canceled before it runs, and while it runs", async () => {
    const plane = { kind: "plane", id: "plane" } as const;
    const waiting = await submit({ callbackText });
    await cancelExecution(stack.db.pool, stack.signals, plane, waiting.id);
    expect(await events(waiting.id)).toEqual(once("canceled"));
    await cancelExecution(stack.db.pool, stack.signals, plane, waiting.id);
    expect(await events(waiting.id)).toEqual(once("canceled"));

    const { id, dispatch, attempt } = await started({ callbackText });
    await cancelExecution(stack.db.pool, stack.signals, plane, id);
    expect(await events(id)).toEqual([]);
    await stack.settler.settle({ id, dispatch, attempt, outcome: "failed", failure });
    expect(await events(id)).toEqual(once("canceled"));
  });

  it("expires", async () => {
    const { id } = await submit({ callbackText, ttlMs: 1 });
    await expect.poll(() => endOverdue(stack.db.pool, stack.signals)).toBe(1);
    expect(await events(id)).toEqual(once("expired"));
  });

  it("runs for longer than it may and is ended by the reconciler", async () => {
    const { id } = await started({ callbackText });
    await stack.db.pool.query("UPDATE executions SET deadline_at = now() WHERE id = $1", [id]);
    expect(await endOverdue(stack.db.pool, stack.signals)).toBe(1);
    expect(await events(id)).toEqual(once("failed"));
  });

  it("loses its worker for the third time, and none before", async () => {
    const { id } = await started({ callbackText });
    const lose = async () => {
      await stack.db.pool.query(
        `UPDATE executions SET status = 'running', wait_reason = NULL, worker_id = gen_random_uuid(),
         deadline_at = now() + interval '1 hour' WHERE id = $1`,
        [id],
      );
      await takeBackLost(stack.db.pool, stack.enqueuer, stack.signals);
    };
    await lose();
    await lose();
    expect(await events(id)).toEqual([]);
    await lose();
    expect(await events(id)).toEqual(once("failed"));
  });

  it("is given back after a cancel was asked for", async () => {
    const { id, dispatch } = await started({ callbackText });
    await stack.db.pool.query("UPDATE executions SET cancel_requested_at = now() WHERE id = $1", [
      id,
    ]);
    await giveBack(stack.db.pool, stack.enqueuer, stack.signals, [{ id, dispatch, alone: false }]);
    expect(await events(id)).toEqual(once("canceled"));
  });
});

describe("an endpoint", () => {
  const finished = async (over: Partial<NewExecution>) => {
    const { id, dispatch, attempt } = await started(over);
    await stack.settler.settle({ id, dispatch, attempt, outcome: "succeeded", outputText: "1" });
    return id;
  };
  const register = async (callerId: string, wanted = {}) =>
    (await createEndpoint(stack.db.pool, box, callerId, { url, ...wanted })).endpoint.id;
  const heard = async (id: string) =>
    (await readCallbacks(stack.db.pool, id)).map(({ endpoint }) => endpoint);

  it("hears of what its caller's executions come to, and of nobody else's", async () => {
    const callerId = freshCaller();
    const endpoint = await register(callerId);
    expect(await heard(await finished({ callerId }))).toEqual([endpoint]);
    expect(await heard(await finished({}))).toEqual([]);
  });

  it("hears of the events and engines that it names", async () => {
    const callerId = freshCaller();
    await register(callerId, { events: ["execution.failed"] });
    await register(callerId, { engines: ["another"] });
    const engineId = freshEngineId();
    const mine = await register(callerId, { events: ["execution.succeeded"], engines: [engineId] });
    expect(await heard(await finished({ callerId, engineId }))).toEqual([mine]);
  });

  it("is told once where a callback names it, whatever it hears of otherwise", async () => {
    const callerId = freshCaller();
    const silent = await register(callerId, { events: [] });
    const all = await register(callerId);
    expect(await heard(await finished({ callerId }))).toEqual([all]);
    const naming = (endpoint: string) => ({ callerId, callbackText: JSON.stringify({ endpoint }) });
    expect(new Set(await heard(await finished(naming(silent))))).toEqual(new Set([silent, all]));
    expect(await heard(await finished(naming(all)))).toEqual([all]);
  });

  it("that is named and switched off, removed or somebody else's is shown as such", async () => {
    const callerId = freshCaller();
    const off = await register(callerId);
    await changeEndpoint(stack.db.pool, callerId, off, { is_active: false });
    const removed = await register(callerId);
    await deleteEndpoint(stack.db.pool, callerId, removed);
    const foreign = await register(freshCaller());
    for (const endpoint of [off, removed, foreign]) {
      const id = await finished({ callerId, callbackText: JSON.stringify({ endpoint }) });
      expect(await readCallbacks(stack.db.pool, id)).toMatchObject([
        { endpoint, status: "disabled", last_error: "the endpoint is switched off or removed" },
      ]);
    }
  });

  it("is owed nothing any more when it is switched off", async () => {
    const callerId = freshCaller();
    const endpoint = await register(callerId);
    const id = await finished({ callerId });
    await changeEndpoint(stack.db.pool, callerId, endpoint, { is_active: false });
    expect(await events(id)).toEqual([["execution.succeeded", "disabled"]]);
    await changeEndpoint(stack.db.pool, callerId, endpoint, { is_active: true });
    expect(await heard(await finished({ callerId }))).toEqual([endpoint]);
  });

  it("is one of fifty at most, also where many are made at once", async () => {
    const callerId = freshCaller();
    const made = await Promise.allSettled(Array.from({ length: 55 }, () => register(callerId)));
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(50);
  });
});
