import { afterEach, expect, test, vi } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  noCanary,
  openStack,
  type Stack,
  type StackOptions,
} from "../testing/stack.ts";
import { endOverdue } from "./end-overdue.ts";
import { giveBack } from "./give-back.ts";
import { putBackOfLostProcesses } from "./lost-processes.ts";
import { createReconciler } from "./reconcile.ts";
import { takeBackLost } from "./take-back.ts";

const patient = new AbortController().signal;
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function database(): Promise<FreshDatabase> {
  const fresh = await freshDatabase();
  cleanUps.push(() => fresh.drop());
  return fresh;
}

async function stackOf(options: Omit<StackOptions, "redisUrl">): Promise<Stack> {
  const stack = await openStack({ ...options, redisUrl: null });
  cleanUps.push(() => stack.close());
  return stack;
}

/** A session for which names of the schema `trick` come before those of Postgres. */
function trickyDatabase(url: string): Database {
  const tricky = new URL(url);
  tricky.searchParams.set("options", "-c search_path=trick,public,pg_catalog");
  const db = openDatabase({
    url: tricky.href,
    max: 2,
    applicationName: "tl-tricky",
    onError: () => {},
  });
  cleanUps.push(() => closeDatabase(db));
  return db;
}

async function running(stack: Stack): Promise<string> {
  const execution = newExecution({ engineId: freshEngineId() });
  await stack.submitter.submit(execution);
  const engine = { engineId: execution.engineId, version: 1, concurrency: null };
  expect(await stack.starter.start(engine, [[execution.id, 0]], patient)).toHaveLength(1);
  return execution.id;
}

async function stateOf(stack: Stack, id: string) {
  const { rows } = await stack.db.pool.query(
    "SELECT status, dispatch, losses FROM executions WHERE id = $1",
    [id],
  );
  return rows[0];
}

/** Leads until `turns` turns are over. */
async function lead(stack: Stack, turns: number, leaseMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    let seen = 0;
    const reconciler = createReconciler({
      pool: stack.db.pool,
      queue: stack.queue,
      enqueuer: stack.enqueuer,
      backlog: stack.backlog,
      signals: stack.signals,
      canary: noCanary,
      leaseMs,
      intervalMs: 50,
      onError: (error) => void stack.errors.push(error),
      onTurn() {
        seen += 1;
        if (seen === turns) resolve(reconciler.stop());
      },
    });
    reconciler.start();
  });
}

test("after an outage longer than every deadline, what ran keeps its time to be recorded", async () => {
  const { url } = await database();
  const worker = await stackOf({ databaseUrl: url });
  const id = await running(worker);
  // As after an hour without Postgres: nobody renewed, nobody settled.
  await worker.db.pool.query(
    "UPDATE executions SET deadline_at = now() - interval '1 h'; UPDATE processes SET lease_until = now() - interval '1 h'",
  );
  const leader = await stackOf({ databaseUrl: url, kind: "api" });
  await lead(leader, 3, 15_000);
  expect(await stateOf(leader, id)).toEqual({ status: "running", dispatch: 1, losses: 0 });
  const result = { outcome: "succeeded", outputText: "1" } as const;
  expect(await worker.settler.settle({ id, dispatch: 1, attempt: 1, ...result })).toBe("succeeded");
});

test("what a lost worker had taken and not started is delivered again, also where its clock was ahead", async () => {
  const { url } = await database();
  const [worker, other] = [
    await stackOf({ databaseUrl: url }),
    await stackOf({ databaseUrl: url }),
  ];
  const engineId = freshEngineId();
  await worker.registration.serve([{ engineId, version: 1, slots: 1 }]);
  const [first, second] = [newExecution({ engineId }), newExecution({ engineId })];

  // It claims the first, by a clock that is ten minutes ahead, and does nothing with it; the second has to wait.
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 });
  const die = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const handle = () => {
    taken.resolve();
    return die.promise;
  };
  const consumer = worker.queue.consume({ engineId, version: 1, slots: 1, handle });
  cleanUps.push(async () => {
    die.resolve();
    await consumer.close();
  });
  await other.submitter.submit(first);
  await taken.promise;
  vi.useRealTimers();
  await other.submitter.submit(second);

  const deliveries = listenForDeliveries(other.queue, engineId);
  cleanUps.push(() => deliveries.close());
  expect(await deliveries.next(1)).toEqual([[second.id, 0]]);
  const { rows } = await other.db.pool.query<{ at: string }>(
    "UPDATE processes SET lease_until = now() WHERE id = $1 RETURNING now()::text AS at",
    [worker.registration.id],
  );
  await putBackOfLostProcesses(other.db.pool, other.enqueuer, rows[0]?.at ?? "");
  // The second as well, which was not started either: it is dropped where that was done meanwhile.
  expect((await deliveries.next(2)).map(([id]) => id).toSorted()).toEqual(
    [first.id, second.id].toSorted(),
  );
});

test("a worker that went of its own accord leaves nothing to deliver again", async () => {
  const { url } = await database();
  const [worker, other] = [
    await stackOf({ databaseUrl: url }),
    await stackOf({ databaseUrl: url }),
  ];
  const engineId = freshEngineId();
  await worker.registration.serve([{ engineId, version: 1, slots: 1 }]);
  await other.submitter.submit(newExecution({ engineId }));
  await worker.registration.close();
  const { rows } = await other.db.pool.query<{ at: string }>("SELECT now()::text AS at");
  expect(await putBackOfLostProcesses(other.db.pool, other.enqueuer, rows[0]?.at ?? "")).toBe(0);
});

test("what a lost worker ran past its deadline is taken back and not called a timeout", async () => {
  const { url } = await database();
  const worker = await stackOf({ databaseUrl: url });
  const id = await running(worker);
  await worker.db.pool.query(
    "UPDATE executions SET deadline_at = now() - interval '1 s'; UPDATE processes SET lease_until = now() - interval '1 s'",
  );
  expect(await endOverdue(worker.db.pool, worker.signals)).toBe(0);
  expect(await takeBackLost(worker.db.pool, worker.enqueuer, worker.signals)).toBe(1);
  expect(await stateOf(worker, id)).toEqual({ status: "queued", dispatch: 2, losses: 1 });
});

test("a leap of the server's clock, as after a machine's sleep, accuses no worker", async () => {
  const { url } = await database();
  const plain = openDatabase({ url, max: 1, applicationName: "tl-plain", onError: () => {} });
  cleanUps.push(() => closeDatabase(plain));
  await plain.pool.query(`CREATE SCHEMA trick;
    CREATE TABLE trick.clock AS SELECT interval '0' AS shift;
    CREATE FUNCTION trick.now() RETURNS timestamptz LANGUAGE sql STABLE
      AS 'SELECT pg_catalog.now() + (SELECT shift FROM trick.clock)'`);
  const name = new URL(url).pathname.slice(1);
  await plain.pool.query(`ALTER DATABASE ${name} SET search_path = trick, public, pg_catalog`);
  const leaseMs = 1_500;
  const worker = await stackOf({ databaseUrl: url, leaseMs });
  const leader = await stackOf({ databaseUrl: url, kind: "api", leaseMs });
  const id = await running(worker);
  let leaped = false;
  const reports: number[] = [];
  const settled = new Promise<void>((resolve) => {
    const reconciler = createReconciler({
      pool: leader.db.pool,
      queue: leader.queue,
      enqueuer: leader.enqueuer,
      backlog: leader.backlog,
      signals: leader.signals,
      canary: noCanary,
      leaseMs,
      intervalMs: 50,
      onError: (error) => void leader.errors.push(error),
      onTurn(report) {
        if (!leaped) return;
        reports.push(report.takenBack + report.ended);
        if (reports.length === 10) resolve(reconciler.stop());
      },
    });
    reconciler.start();
  });
  await expect
    .poll(async () => (await plain.pool.query("SELECT FROM leader WHERE ticks > 40")).rowCount, {
      timeout: 10_000,
    })
    .toBe(1);
  await plain.pool.query("UPDATE trick.clock SET shift = interval '1 h'");
  leaped = true;
  await settled;
  expect(reports).toEqual(Array(10).fill(0));
  expect(await stateOf(leader, id)).toEqual({ status: "running", dispatch: 1, losses: 0 });
});

test("what another worker started in the very moment of a take-back stays with it", async () => {
  const { url } = await database();
  const first = await stackOf({ databaseUrl: url });
  const second = await stackOf({ databaseUrl: url });
  const id = await running(first);
  const { rows } = await first.db.pool.query("SELECT engine_id FROM executions");
  const engine = { engineId: rows[0].engine_id, version: 1, concurrency: null };
  await first.db.pool.query(
    "UPDATE processes SET lease_until = now() - interval '1 s' WHERE id = $1",
    [first.registration.id],
  );
  // Between what the statement sees and the lock that it takes there is a moment; here it is a long one.
  await first.db.pool.query(`CREATE SCHEMA trick;
    CREATE FUNCTION trick.slow(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(77);
        RETURN $1 OPERATOR(pg_catalog.<=) $2;
      END $$;
    CREATE OPERATOR trick.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trick.slow)`);
  const tricky = trickyDatabase(url);
  const blocker = await first.db.pool.connect();
  await blocker.query("SELECT pg_advisory_lock(77)");
  const takingBack = takeBackLost(tricky.pool, second.enqueuer, second.signals);
  const waiting = `SELECT FROM pg_stat_activity WHERE application_name = 'tl-tricky' AND wait_event = 'advisory'`;
  await expect.poll(async () => (await first.db.pool.query(waiting)).rowCount).toBe(1);
  await giveBack(first.db.pool, first.enqueuer, first.signals, [{ id, dispatch: 1, alone: false }]);
  expect(await second.starter.start(engine, [[id, 2]], patient)).toHaveLength(1);
  await blocker.query("SELECT pg_advisory_unlock(77)");
  blocker.release();
  expect(await takingBack).toBe(0);
  expect(await stateOf(first, id)).toEqual({ status: "running", dispatch: 3, losses: 0 });
});
