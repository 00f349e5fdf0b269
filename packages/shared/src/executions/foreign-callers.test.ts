import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { newExecution, openStack, type Stack } from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { listExecutions } from "./list.ts";
import { createExecutionReader, readExecutions, type ExecutionReader } from "./read.ts";
import type { CallerRef, Include } from "./row.ts";
import { createCallIds } from "../outbound-log/call-ids.ts";
import { toCallRow } from "../outbound-log/call-row.ts";
import { insertCalls } from "../outbound-log/insert-calls.ts";
import { listCalls, type CallFilters } from "../outbound-log/list-calls.ts";
import { readCall } from "../outbound-log/read-call.ts";
import { insertOldExecutions } from "../testing/old-executions.ts";
import { toldCall } from "../testing/told-call.ts";
import { purgePage } from "./purge.ts";
import { readTombstones } from "./tombstones.ts";
import { createWatcher, type Watcher } from "./watch.ts";

// T8: whatever takes a caller finds nothing of another one's, and tl-plane alone finds all.
const everything: Include = { output: true, input: true, attempts: true, calls: true };
const owner: CallerRef = { kind: "program", id: "key:owner0000001" };
const plane: CallerRef = { kind: "plane", id: "plane" };
const unknownId = "01890000-0000-7000-8000-000000000000";

/** Callers who are somebody else, some with names that are there to mislead. */
const strangers: CallerRef[] = [
  { kind: "program", id: "key:stranger0001" },
  { kind: "front_end", id: "jwt:stranger" },
  // The kind decides who sees all, never the name.
  { kind: "program", id: "plane" },
  { kind: "front_end", id: "plane" },
  { kind: "program", id: "key:owner000000%" },
  { kind: "program", id: "KEY:OWNER0000001" },
  { kind: "program", id: "key:owner0000001 " },
  { kind: "program", id: "" },
  { kind: "program", id: "' OR true --" },
];

let database: FreshDatabase;
let stack: Stack;
let reader: ExecutionReader;
let watcher: Watcher;
let queued = "";
let done = "";
/** A call of each. */
let calls: string[] = [];
/** Two that have left the record. */
let purged: string[] = [];
beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  const { db, signals, submitter, starter, settler } = stack;
  reader = createExecutionReader(db.pool);
  watcher = createWatcher({ pool: db.pool, reader, signals, onError: (e) => stack.errors.push(e) });
  const submit = async (key: string | null, delayMs: number | null): Promise<string> => {
    const idempotency = key === null ? null : { key, requestHash: Buffer.from(key) };
    const result = await submitter.submit(
      newExecution({ callerId: owner.id, engineId: "t8", idempotency, delayMs, tags: ["t8"] }),
    );
    if (!("execution" in result)) throw new Error("the key is new");
    return result.execution.id;
  };
  queued = await submit("its-key", 3_600_000);
  done = await submit(null, null);
  const [started] = await starter.start(
    { engineId: "t8", version: 1, concurrency: null },
    [[done, 0]],
    new AbortController().signal,
  );
  const { dispatch, attempt } = started!;
  await settler.settle({ id: done, dispatch, attempt, outcome: "succeeded", outputText: '"x"' });
  const newId = createCallIds();
  const whose = { callerId: owner.id, engineId: "t8" };
  const rows = [queued, done].map((execution_id) =>
    toCallRow(toldCall({ execution_id, connection: "crm" }), {
      whose,
      now: Date.now(),
      newId,
      seal: null,
    }),
  );
  await insertCalls(db.pool, rows);
  calls = rows.map(({ call_id }) => call_id);
  const old = { count: 2, daysOld: 9, finishedDaysAgo: 8, callerId: owner.id };
  purged = await insertOldExecutions(db.pool, old);
  const after = "00000000-0000-0000-0000-000000000000";
  await purgePage(db.pool, { leg: "past", after, retentionMs: 7 * 86_400_000, slackMs: 0 });
});
afterAll(async () => {
  watcher?.close();
  await stack?.close();
  expect(stack.errors).toEqual([]);
  await database?.drop();
});

/** Each way to an execution, as ids of what it found. */
const ways: Record<string, (caller: CallerRef) => Promise<string[]>> = {
  readExecutions: async (caller) =>
    (await readExecutions(stack.db.pool, caller, [queued, done, unknownId], everything)).map(
      ({ id }) => id,
    ),
  reader: async (caller) =>
    (await Promise.all([queued, done].map((id) => reader.read(caller, id, everything)))).flatMap(
      (row) => row?.id ?? [],
    ),
  "reader, in one batch with the owner": async (caller) => {
    const [, mine] = await Promise.all([
      Promise.all([queued, done].map((id) => reader.read(owner, id, everything))),
      Promise.all([queued, done].map((id) => reader.read(caller, id, everything))),
      Promise.all([queued, done].map((id) => reader.read(plane, id, everything))),
    ]);
    return mine.flatMap((row) => row?.id ?? []);
  },
  list: async (caller) => ids(await list(caller, {})),
  "list by engine, status and tag": async (caller) => [
    ...ids(await list(caller, { engine: "t8", version: 1, tag: "t8", status: "scheduled" })),
    ...ids(await list(caller, { engine: "t8", version: 1, tag: "t8", status: "succeeded" })),
  ],
  watcher: async (caller) =>
    (
      await Promise.all(
        [queued, done].map((id) =>
          watcher.wait(caller, id, { until: () => true, timeoutMs: 1_000, include: everything }),
        ),
      )
    ).flatMap((row) => row?.id ?? []),
  "watcher, that answers a wait's end": async (caller) =>
    (
      await Promise.all(
        [queued, done].map((id) =>
          watcher.wait(caller, id, { until: () => false, timeoutMs: 30, include: everything }),
        ),
      )
    ).flatMap((row) => row?.id ?? []),
};

/** Each way to what is left of the two that were purged. */
const waysToTombstones: Record<string, (caller: CallerRef) => Promise<string[]>> = {
  readTombstones: async (caller) =>
    (await readTombstones(stack.db.pool, caller, [...purged, unknownId])).map(
      (row) => row.execution_id,
    ),
  "reader, for tombstones": async (caller) =>
    (await Promise.all(purged.map((id) => reader.readTombstone(caller, id)))).flatMap(
      (row) => row?.execution_id ?? [],
    ),
  "reader, for tombstones, in one batch with the owner": async (caller) => {
    // The first one is in flight, and the others share the next.
    const asked = [owner, owner, caller, plane].map((one) =>
      Promise.all(purged.map((id) => reader.readTombstone(one, id))),
    );
    const [, , mine] = await Promise.all(asked);
    return (mine ?? []).flatMap((row) => row?.execution_id ?? []);
  },
};
/** Each way to the outbound calls of both. */
const waysToCalls: Record<string, (caller: CallerRef) => Promise<string[]>> = {
  listCalls: async (caller) => callIds(caller, {}),
  "listCalls, by connection": async (caller) => callIds(caller, { connection: "crm" }),
  "listCalls, by execution": async (caller) => [
    ...(await callIds(caller, { executionId: queued })),
    ...(await callIds(caller, { executionId: done })),
  ],
  readCall: async (caller) =>
    (await Promise.all(calls.map((id) => readCall(stack.db.pool, caller, id)))).flatMap((call) =>
      call === null ? [] : idOf(call.json),
    ),
};
const idOf = (json: string): string => (JSON.parse(json) as { id: string }).id;
const callIds = async (caller: CallerRef, filters: CallFilters): Promise<string[]> =>
  (await listCalls(stack.db.pool, caller, filters, { before: null, limit: 100 })).calls.map(idOf);
const list = (caller: CallerRef, filters: Parameters<typeof listExecutions>[2]) =>
  listExecutions(stack.db.pool, caller, filters, { beforeId: null, limit: 100 }, everything);
const ids = ({ rows }: { rows: { id: string }[] }): string[] => rows.map(({ id }) => id);

describe.each(Object.entries(ways))("%s", (_name, find) => {
  test.each(strangers)("finds nothing for $kind $id", async (stranger) => {
    expect(await find(stranger)).toEqual([]);
  });

  test("finds both for their owner and for tl-plane", async () => {
    expect((await find(owner)).toSorted()).toEqual([queued, done].toSorted());
    expect((await find(plane)).toSorted()).toEqual([queued, done].toSorted());
  });
});

describe.each(Object.entries(waysToTombstones))("%s", (_name, find) => {
  test.each(strangers)("finds nothing for $kind $id", async (stranger) => {
    expect(await find(stranger)).toEqual([]);
  });

  test("finds both for their owner and for tl-plane", async () => {
    expect((await find(owner)).toSorted()).toEqual(purged.toSorted());
    expect((await find(plane)).toSorted()).toEqual(purged.toSorted());
  });
});

describe.each(Object.entries(waysToCalls))("%s", (_name, find) => {
  test.each(strangers)("finds nothing for $kind $id", async (stranger) => {
    expect(await find(stranger)).toEqual([]);
  });

  test("finds both for their owner and for tl-plane", async () => {
    expect((await find(owner)).toSorted()).toEqual(calls.toSorted());
    expect((await find(plane)).toSorted()).toEqual(calls.toSorted());
  });
});

test.each(strangers)("cancel changes nothing for $kind $id", async (stranger) => {
  const { pool } = stack.db;
  const rows = () => pool.query("SELECT * FROM executions ORDER BY id").then((r) => r.rows);
  const before = await rows();
  for (const id of [queued, done, unknownId]) {
    expect(await cancelExecution(pool, stack.signals, stranger, id)).toEqual({ kind: "not_found" });
  }
  expect(await rows()).toEqual(before);
});

test.each(strangers)("an idempotency key of another's is free for $kind $id", async (stranger) => {
  const hash = Buffer.from("its-key");
  expect(await stack.submitter.findReplay(stranger.id, "its-key", hash)).toBeNull();
  expect(await stack.submitter.findReplay(owner.id, "its-key", hash)).toMatchObject({
    kind: "replayed",
    execution: { id: queued },
  });
});
