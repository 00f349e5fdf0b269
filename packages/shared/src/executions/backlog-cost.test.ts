import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { blocksTouched } from "../testing/blocks-touched.ts";
import { recordPending } from "../testing/pending-rows.ts";
import { newExecution, noCanary, openStack, type Stack } from "../testing/stack.ts";
import { endOverdue } from "./end-overdue.ts";
import { enginesAtCeiling, fillPlaces } from "./ceiling.ts";
import { readEngineFigures } from "./figures.ts";
import { makeDueReady, nextDueInMs } from "./make-ready.ts";
import { readExecutions } from "./read.ts";
import { createReconciler } from "./reconcile.ts";
import { enginesWithPending, refill } from "./refill.ts";
import { takeBackLost } from "./take-back.ts";
import { readPace } from "./window.ts";

const plane = { kind: "plane", id: "plane" } as const;
const patient = new AbortController().signal;
const engine = { engineId: "backlogged", version: 1 };
const limited = { ...engine, concurrency: null };
const everything = { output: true, input: true, attempts: true, calls: true };
/** The whole run of the fault bed has ten times as many. */
const backlog = 50_000;
let database: FreshDatabase;
let stack: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null, bounded: true });
});
afterAll(async () => {
  await stack?.close();
  await database?.drop();
});

async function submitOne(): Promise<string> {
  const execution = newExecution(engine);
  await stack.submitter.submit(execution);
  return execution.id;
}

/** Brings in a page, starts it and settles it. */
async function workOffPage(size: number): Promise<void> {
  const { pool } = stack.db;
  const { rows: before } = await pool.query<{ ready: number }>(
    "SELECT coalesce(sum(ready), 0)::int AS ready FROM engine_counters",
  );
  const ahead = (before[0]?.ready ?? 0) + size;
  await refill(pool, stack.enqueuer, engine, { slots: 0, ahead, apis: 1 }, "");
  const { rows } = await pool.query<{ id: string; dispatch: number }>(
    "SELECT id, dispatch FROM executions WHERE status = 'queued' AND wait_reason IS NULL LIMIT $1",
    [size],
  );
  const items = rows.map(({ id, dispatch }) => [id, dispatch] as const);
  const started = await stack.starter.start(limited, items, patient);
  await Promise.all(
    started.map(({ id, dispatch, attempt }) =>
      stack.settler.settle({ id, dispatch, attempt, outcome: "succeeded", outputText: "1" }),
    ),
  );
}

const readers: Record<string, () => Promise<unknown>> = {
  figures: () => readEngineFigures(stack.db.pool, null),
  pace: () => readPace(stack.db.pool, engine),
  "a look for a backlog": () => enginesWithPending(stack.db.pool),
  "what is due": () => makeDueReady(stack.db.pool, stack.enqueuer, stack.backlog),
  "the next that is due": () => nextDueInMs(stack.db.pool),
  "what is overdue": () => endOverdue(stack.db.pool, stack.signals),
  "what is lost": () => takeBackLost(stack.db.pool, stack.enqueuer, stack.signals),
  ceilings: () => enginesAtCeiling(stack.db.pool),
  places: () => fillPlaces(stack.db.pool, stack.enqueuer.processId, { ...engine, concurrency: 10 }),
};

/** Blocks; whatever is not named: 100. A turn may also bring in what there is room for. */
const limits: Record<string, number> = { "a turn": 250 };

test("a long backlog is not read again for anything that is done beside it", async () => {
  const { pool } = stack.db;
  // The plans that the sessions keep are of a time when next to nothing was there.
  for (let round = 0; round < 7; round += 1) {
    await readExecutions(pool, plane, [await submitOne()], everything);
    for (const read of Object.values(readers)) await read();
    await recordPending(pool, { ...engine, count: 5 });
    await workOffPage(5);
  }
  await recordPending(pool, { ...engine, count: backlog - 10, callers: 4 });
  await recordPending(pool, { ...engine, count: 10, callerId: "key:late" });

  const cost: Record<string, number> = {};
  for (const [name, read] of Object.entries(readers)) {
    cost[name] = await blocksTouched(pool, read);
  }
  let id = "";
  const submit = async () => {
    id = await submitOne();
  };
  cost["a submit"] = await blocksTouched(pool, submit);
  cost["a status"] = await blocksTouched(pool, () => readExecutions(pool, plane, [id], everything));
  // For each of a page's rows the same, however many wait behind them; five callers' rows are looked at.
  cost["one of a page"] = (await blocksTouched(pool, () => workOffPage(100))) / 100;
  const turns = 20;
  const turn = () =>
    new Promise<void>((resolve, reject) => {
      let reported = 0;
      const reconciler = createReconciler({
        pool,
        queue: stack.queue,
        enqueuer: stack.enqueuer,
        backlog: stack.backlog,
        signals: stack.signals,
        canary: noCanary,
        leaseMs: 15_000,
        intervalMs: 20,
        onError: reject,
        onTurn: () => {
          reported += 1;
          if (reported === turns) void reconciler.stop().then(resolve, reject);
        },
      });
      reconciler.start();
    });
  cost["a turn"] = (await blocksTouched(pool, turn)) / turns;
  expect(Object.entries(cost).filter(([name, blocks]) => blocks > (limits[name] ?? 100))).toEqual(
    [],
  );
}, 120_000);
