import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { newExecution, openStack, type Stack } from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { createExecutionReader } from "./read.ts";
import { isDone } from "@tl-engine/contract";
import { createWatcher, type Watcher } from "./watch.ts";

const owner = { kind: "program", id: "key:abc" } as const;
const include = { output: true, input: false, attempts: false, calls: false };
let database: FreshDatabase;
let stack: Stack;
let watcher: Watcher;
let queries = 0;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  const counted = Object.create(stack.db.pool, {
    query: {
      value: (...args: Parameters<typeof stack.db.pool.query>) => {
        queries += 1;
        return stack.db.pool.query(...args);
      },
    },
  });
  watcher = makeWatcher(counted);
});
afterAll(async () => {
  watcher.close();
  await stack.close();
  await database.drop();
});

function makeWatcher(pool = stack.db.pool): Watcher {
  return createWatcher({
    pool,
    reader: createExecutionReader(pool),
    signals: stack.signals,
    onError: (error) => void stack.errors.push(error),
  });
}

async function submitted() {
  const execution = newExecution();
  await stack.submitter.submit(execution);
  return execution.id;
}

test("a held request is answered when the execution ends", async () => {
  const id = await submitted();
  const waited = watcher.wait(owner, id, {
    until: (row) => isDone(row.status),
    timeoutMs: 20_000,
    include,
  });
  await cancelExecution(stack.db.pool, stack.signals, owner, id);
  expect(await waited).toMatchObject({ id, status: "canceled" });
  expect(watcher.held).toBe(0);
});

test("a lost signal costs a second at most", async () => {
  const id = await submitted();
  const waited = watcher.wait(owner, id, {
    until: (row) => isDone(row.status),
    timeoutMs: 20_000,
    include,
  });
  await cancelExecution(stack.db.pool, { ...stack.signals, publish: () => {} }, owner, id);
  expect(await waited).toMatchObject({ status: "canceled" });
});

test("a thousand waiting callers cost a bounded number of queries, and are answered together", async () => {
  const id = await submitted();
  queries = 0;
  const waits = Array.from({ length: 1_000 }, () =>
    watcher.wait(owner, id, { until: (row) => isDone(row.status), timeoutMs: 20_000, include }),
  );
  expect(watcher.held).toBe(1_000);
  await cancelExecution(stack.db.pool, stack.signals, owner, id);
  const rows = await Promise.all(waits);
  expect(new Set(rows.map((row) => row?.status))).toEqual(new Set(["canceled"]));
  expect(queries).toBeLessThan(50);
});

test("time, an abort and a shutdown end a wait with what there is", async () => {
  const id = await submitted();
  const never = { until: () => false, include };
  expect(await watcher.wait(owner, id, { ...never, timeoutMs: 1 })).toMatchObject({
    status: "queued",
  });
  const controller = new AbortController();
  const aborted = watcher.wait(owner, id, {
    ...never,
    timeoutMs: 20_000,
    signal: controller.signal,
  });
  controller.abort();
  expect(await aborted).toMatchObject({ status: "queued" });
  const closing = makeWatcher();
  const held = closing.wait(owner, id, { ...never, timeoutMs: 20_000 });
  closing.wakeAll();
  expect(await held).toMatchObject({ status: "queued" });
  expect(await closing.wait(owner, id, { ...never, timeoutMs: 20_000 })).toMatchObject({
    status: "queued",
  });
  closing.close();
});

test("nobody waits for what is not his", async () => {
  const id = await submitted();
  const stranger = { kind: "program", id: "key:other" } as const;
  expect(
    await watcher.wait(stranger, id, { until: () => true, timeoutMs: 1_000, include }),
  ).toBeNull();
});
