import { setImmediate as yieldOnce } from "node:timers/promises";
import type { ExecutionStatus } from "@tl-engine/contract";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { isUnavailable } from "../db/error-class.ts";
import { cuttable, type Cuttable } from "../testing/cuttable.ts";
import { freshEngineId, newExecution, noBacklog, openStack, type Stack } from "../testing/stack.ts";
import { cancelExecution } from "./cancel.ts";
import { fillPlaces } from "./ceiling.ts";
import { endOverdueHandedOver } from "./end-handed-over.ts";
import { endOverdue } from "./end-overdue.ts";
import { giveBack } from "./give-back.ts";
import { createHandOver } from "./hand-over.ts";
import { makeDueReady } from "./make-ready.ts";
import { refill } from "./refill.ts";
import { remoteHolder } from "./remote-holder.ts";
import { releaseParked } from "./release-parked.ts";
import type { Settled } from "./settle.ts";
import type { Settlement } from "./settlement.ts";
import type { StartedExecution } from "./start.ts";
import { moves } from "./state.ts";
import { createSubmitter } from "./submit.ts";
import { takeBackLost } from "./take-back.ts";

// What state-machine.test.ts leaves open: moves that are made twice, at the same moment as others, and by processes that
// die over them. What comes out then is not one thing; what must hold of it is.

const plane = { kind: "plane", id: "plane" } as const;
const patient = new AbortController().signal;
const failure = { code: "engine_error", detail: "no luck", retryable: true } as const;
const ceiling = 2;
const terminal: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled", "expired"]);

let database: FreshDatabase;
let wire: Cuttable;
/** Two processes that live, and one whose connections are cut in the middle of what it does. */
let one: Stack;
let other: Stack;
let doomed: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  wire = await cuttable(database.url);
  [one, other, doomed] = await Promise.all(
    [database.url, database.url, wire.url].map((databaseUrl) =>
      openStack({ databaseUrl, redisUrl: null }),
    ) as [Promise<Stack>, Promise<Stack>, Promise<Stack>],
  );
  // Every move, as it is committed.
  await one.db.pool.query(`
    CREATE TABLE trail (seq bigint GENERATED ALWAYS AS IDENTITY, id uuid, "from" text, "to" text, dispatch integer);
    CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO trail (id, "from", "to", dispatch) VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status, NEW.dispatch);
      RETURN NULL;
    END $$;
    CREATE TRIGGER trail AFTER INSERT OR UPDATE ON executions FOR EACH ROW EXECUTE FUNCTION follow()`);
});
afterAll(async () => {
  await Promise.all([one, other, doomed].map((stack) => stack?.close()));
  await wire?.close();
  await database?.drop();
});

/** What moves are chosen by: how many executions there are. */
interface Chosen {
  executions: number;
}

/** The world that they are made in, and what was answered there. */
interface World {
  readonly engineId: string;
  readonly ids: string[];
  readonly started: StartedExecution[];
  readonly settled: { settlement: Settlement; answer: Settled }[];
  /** What anybody wanted to give back or settle, as `<id>/<dispatch>`. */
  readonly givenBack: Set<string>;
  readonly saidToFail: Set<string>;
  readonly saidToPark: Set<string>;
  /** The whole row of each that has ended. */
  readonly finished: Map<string, string>;
}

/** Something that a process does. */
interface Move {
  readonly name: string;
  /** It needs an execution. */
  readonly needsSome: boolean;
  make(world: World, by: Stack): Promise<unknown>;
}

/** The execution at this place and the dispatch that the record has for it. */
async function look(
  world: World,
  place: number,
): Promise<{ id: string; dispatch: number; attempt: number }> {
  const id = world.ids[place % world.ids.length];
  const { rows } = await one.db.pool.query(
    "SELECT id, dispatch, attempt FROM executions WHERE id = $1",
    [id],
  );
  return rows[0];
}

const place = fc.nat({ max: 5 });
/** Mostly what counts now, at times what counted before or does not yet. */
const stale = fc.constantFrom(0, 0, 0, 0, -1, -1, -2, 1);

const submits = fc
  .record({ delayed: fc.boolean(), waits: fc.boolean(), count: fc.integer({ min: 1, max: 3 }) })
  .map(({ delayed, waits, count }): Move => ({
    name: `submit ${count}${delayed ? " for later" : ""}${waits ? " into a backlog" : ""}`,
    needsSome: false,
    async make(world, { db, enqueuer, registration }) {
      const submitter = createSubmitter({
        db,
        enqueuer,
        backlog: { ...noBacklog, plan: (engines) => engines.map(() => !waits) },
        ensureLease: () => registration.ensureLease(),
      });
      for (let n = 0; n < count; n++) {
        const execution = newExecution({
          engineId: world.engineId,
          callerId: `key:${n % 2}`,
          delayMs: delayed ? 3_600_000 : null,
        });
        await submitter.submit(execution);
        world.ids.push(execution.id);
      }
    },
  }));

const starts = fc
  .record({
    places: fc.array(place, { minLength: 1, maxLength: 4 }),
    off: stale,
    limited: fc.boolean(),
  })
  .map(({ places, off, limited }): Move => ({
    name: `start ${places.join()}${off === 0 ? "" : ` off by ${off}`}${limited ? " below a ceiling" : ""}`,
    needsSome: true,
    async make(world, { starter }) {
      const items = [];
      for (const at of places) {
        const { id, dispatch } = await look(world, at);
        items.push([id, dispatch + off] as const);
      }
      const engine = {
        engineId: world.engineId,
        version: 1,
        concurrency: limited ? ceiling : null,
      };
      world.started.push(...(await starter.start(engine, items, patient)));
    },
  }));

const settles = fc
  .record({
    at: place,
    off: stale,
    outcome: fc.constantFrom("succeeded", "failed", "retry", "retry", "parked", "parked"),
    forCircuit: fc.boolean(),
  })
  .map(({ at, off, outcome, forCircuit }): Move => ({
    name: `settle ${at} as ${outcome}${off === 0 ? "" : ` off by ${off}`}`,
    needsSome: true,
    async make(world, { settler }) {
      const { id, dispatch: now, attempt } = await look(world, at);
      const dispatch = now + off;
      const base = { id, dispatch, attempt };
      const settlement: Settlement =
        outcome === "succeeded"
          ? { ...base, outcome: "succeeded", outputText: String(dispatch) }
          : outcome === "failed"
            ? { ...base, outcome: "failed", failure }
            : outcome === "retry"
              ? { ...base, outcome, failure, delayMs: 3_600_000, reason: "retry_backoff" }
              : {
                  ...base,
                  outcome: "parked",
                  failure,
                  delayMs: forCircuit ? null : 3_600_000,
                  reason: forCircuit ? "circuit_open" : "retry_after",
                  blockedBy: `connection:${world.engineId}`,
                };
      if (outcome === "parked") world.saidToPark.add(`${id}/${dispatch}`);
      if (outcome === "retry") world.saidToFail.add(`${id}/${dispatch}`);
      const answer = await settler.settle(settlement);
      world.settled.push({ settlement, answer });
    },
  }));

const givesBack = fc
  .record({ at: place, off: stale, alone: fc.boolean() })
  .map(({ at, off, alone }): Move => ({
    name: `give ${at} back${off === 0 ? "" : ` off by ${off}`}`,
    needsSome: true,
    async make(world, { db, enqueuer, signals }) {
      const { id, dispatch: now } = await look(world, at);
      const dispatch = now + off;
      world.givenBack.add(`${id}/${dispatch}`);
      await giveBack(db.pool, enqueuer, signals, [{ id, dispatch, alone }]);
    },
  }));

const handsOver = fc.record({ at: place, off: stale }).map(({ at, off }): Move => ({
  name: `hand ${at} over${off === 0 ? "" : ` off by ${off}`}`,
  needsSome: true,
  async make(world, { db, signals, registration, errors }) {
    const { id, dispatch } = await look(world, at);
    const onError = (error: unknown): void => void errors.push(error);
    const writer = createHandOver({ db, signals, workerId: registration.id, onError });
    await writer.handOver({ id, dispatch: dispatch + off });
  },
}));

const cancels = place.map((at): Move => ({
  name: `cancel ${at}`,
  needsSome: true,
  async make(world, { db, signals }) {
    const { id } = await look(world, at);
    await cancelExecution(db.pool, signals, plane, id);
  },
}));

/** A worker's lease ends while it does not know of it. */
const losses = fc.constantFrom("one", "other", "doomed").map((whose): Move => ({
  name: `lose the worker "${whose}"`,
  needsSome: true,
  async make(_, { db, enqueuer, signals }) {
    const { id } = { one, other, doomed }[whose].registration;
    await db.pool.query("UPDATE processes SET lease_until = now() WHERE id = $1", [id]);
    await takeBackLost(db.pool, enqueuer, signals);
  },
}));

const deadlines = place.map((at): Move => ({
  name: `pass the deadline of ${at}`,
  needsSome: true,
  async make(world, { db, signals }) {
    const { id } = await look(world, at);
    await db.pool.query(
      "UPDATE executions SET deadline_at = now() WHERE id = $1 AND deadline_at IS NOT NULL",
      [id],
    );
    await endOverdue(db.pool, signals);
    await endOverdueHandedOver(db.pool, signals);
  },
}));

const dues = fc.constant<Move>({
  name: "make due ready",
  needsSome: true,
  async make(_, { db, enqueuer, backlog }) {
    await db.pool.query("UPDATE executions SET due_at = now() WHERE due_at IS NOT NULL");
    await makeDueReady(db.pool, enqueuer, backlog);
  },
});

const releases = fc.constant<Move>({
  name: "release what is parked",
  needsSome: true,
  async make({ engineId }, { db }) {
    await releaseParked(db.pool, engineId);
  },
});

const fills = fc.constant<Move>({
  name: "fill places",
  needsSome: true,
  async make({ engineId }, { db, enqueuer }) {
    const limits = { engineId, version: 1, concurrency: ceiling };
    const ticket = enqueuer.open();
    void enqueuer.enqueue(ticket, await fillPlaces(db.pool, enqueuer.processId, limits));
  },
});

const refills = fc.integer({ min: 1, max: 4 }).map((ahead): Move => ({
  name: `refill up to ${ahead}`,
  needsSome: true,
  async make({ engineId }, { db, enqueuer }) {
    await refill(db.pool, enqueuer, { engineId, version: 1 }, { slots: 0, ahead, apis: 1 }, "");
  },
}));

const anyMove = fc.oneof(
  { weight: 3, arbitrary: submits },
  { weight: 8, arbitrary: starts },
  { weight: 5, arbitrary: settles },
  { weight: 2, arbitrary: givesBack },
  { weight: 4, arbitrary: handsOver },
  { weight: 2, arbitrary: cancels },
  { weight: 3, arbitrary: losses },
  { weight: 1, arbitrary: deadlines },
  { weight: 2, arbitrary: dues },
  { weight: 2, arbitrary: releases },
  { weight: 2, arbitrary: fills },
  { weight: 2, arbitrary: refills },
);

/** What had to give way, or whose connection was cut, is a process that died over it. */
async function survive(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isUnavailable(error)) throw error;
  });
}

/** One step of a program: moves that are made at once, each by a process of its own. */
class Step implements fc.AsyncCommand<Chosen, World> {
  readonly #moves: readonly (readonly [Move, "one" | "other" | "doomed"])[];
  /** How many turns of the event loop the doomed one has. */
  readonly #turns: number;

  constructor(moves: readonly (readonly [Move, "one" | "other" | "doomed"])[], turns: number) {
    this.#moves = moves;
    this.#turns = turns;
  }

  check({ executions }: Readonly<Chosen>): boolean {
    return executions > 0 || this.#moves.every(([move]) => !move.needsSome);
  }

  async run(chosen: Chosen, world: World): Promise<void> {
    const works = this.#moves.map(([move, by]) =>
      survive(move.make(world, { one, other, doomed }[by])),
    );
    if (this.#moves.some(([, by]) => by === "doomed")) {
      for (let turn = 0; turn < this.#turns; turn++) await yieldOnce();
      wire.cut();
    }
    await Promise.all(works);
    chosen.executions = world.ids.length;
    await holds(world);
  }

  toString(): string {
    const whole = this.#moves.map(([move, by]) => `${by}: ${move.name}`).join(" & ");
    return this.#moves.some(([, by]) => by === "doomed")
      ? `${whole} (cut after ${this.#turns} turns)`
      : whole;
  }
}

const steps = fc.oneof(
  // One after the other.
  { weight: 6, arbitrary: anyMove.map((move) => new Step([[move, "one"]], 0)) },
  // The same twice, at once.
  {
    weight: 2,
    arbitrary: anyMove.map(
      (move) =>
        new Step(
          [
            [move, "one"],
            [move, "other"],
          ],
          0,
        ),
    ),
  },
  // Two at once.
  {
    weight: 3,
    arbitrary: fc.tuple(anyMove, anyMove).map(
      ([a, b]) =>
        new Step(
          [
            [a, "one"],
            [b, "other"],
          ],
          0,
        ),
    ),
  },
  // By a process that dies over it.
  {
    weight: 3,
    arbitrary: fc
      .tuple(anyMove, fc.nat({ max: 40 }))
      .map(([move, turns]) => new Step([[move, "doomed"]], turns)),
  },
);

/** Whatever must hold of all executions at any time. @throws AssertionError */
async function holds(world: World): Promise<void> {
  const { rows } = await one.db.pool.query(
    `SELECT id, status, dispatch, attempt, output::text AS output, e.*::text AS whole,
       coalesce(earlier_attempts, '[]') AS earlier,
       (deadline_at IS NULL) = (finished_at IS NOT NULL) AND CASE status
         WHEN 'running' THEN worker_id IS NOT NULL WHEN 'scheduled' THEN due_at IS NOT NULL
         WHEN 'queued' THEN (ready_at IS NOT NULL AND enqueuer IS NOT NULL) OR due_at IS NOT NULL OR wait_reason IN ('engine_concurrency', 'dispatch_pending')
           OR (wait_reason = 'circuit_open' AND blocked_by IS NOT NULL)
         ELSE due_at IS NULL AND wait_reason IS NULL AND blocked_by IS NULL END AS owned
     FROM executions e WHERE engine_id = $1`,
    [world.engineId],
  );
  const trail = await one.db.pool.query<{
    id: string;
    from: ExecutionStatus | null;
    to: ExecutionStatus;
    dispatch: number;
  }>(
    `SELECT t.id, t."from", t."to", t.dispatch FROM trail t JOIN executions e ON e.id = t.id WHERE e.engine_id = $1 ORDER BY t.seq`,
    [world.engineId],
  );
  const trails = Map.groupBy(trail.rows, ({ id }) => id);
  for (const row of rows) {
    expect(row).toMatchObject({ owned: true });
    const before = world.finished.get(row.id);
    if (before !== undefined) expect(row.whole).toBe(before);
    if (terminal.has(row.status)) world.finished.set(row.id, row.whole);
    if (row.status === "succeeded") expect(row.output).toBe(String(row.dispatch));

    const its = trails.get(row.id) ?? [];
    const startedUnder = new Set<number>();
    its.forEach(({ from, to, dispatch }, n) => {
      expect(from).toBe(its[n - 1]?.to ?? null);
      if (from !== null && from !== to) expect(moves[from]).toContain(to);
      if (from !== null) expect(terminal.has(from)).toBe(false);
      const leaves = from === "running" && to === "queued";
      expect(dispatch).toBeGreaterThanOrEqual((its[n - 1]?.dispatch ?? 0) + Number(leaves));
      if (to !== "running" || from === "running") return;
      expect(startedUnder.has(dispatch)).toBe(false);
      startedUnder.add(dispatch);
    });
    // An attempt ends as whoever had it under that dispatch said, or by the loss of him.
    const earlier = row.earlier as { outcome: string; dispatch: number; worker_id: string }[];
    for (const { outcome, dispatch, worker_id: holder } of earlier) {
      expect(startedUnder.has(dispatch)).toBe(true);
      // No lease ends under a service; its time does, and nobody says so but the clock.
      if (holder === remoteHolder) {
        expect(["failed", "parked"]).toContain(outcome);
        continue;
      }
      const said = {
        given_back: world.givenBack,
        failed: world.saidToFail,
        parked: world.saidToPark,
      }[outcome];
      expect(said?.has(`${row.id}/${dispatch}`) ?? outcome === "worker_lost").toBe(true);
    }
    const counted = earlier.filter(({ outcome }) => outcome === "failed").length;
    expect(row.attempt).toBe(startedUnder.size - (earlier.length - counted));
  }
  // No two processes were told that an attempt is theirs, nor that they had ended it.
  const told = world.started.map(({ id, dispatch }) => `${id}/${dispatch}`);
  expect(told.toSorted()).toEqual([...new Set(told)].toSorted());
  const ended = world.settled.flatMap(({ settlement: { id, dispatch }, answer }) =>
    answer === "stale" ? [] : [`${id}/${dispatch}`],
  );
  expect(ended.toSorted()).toEqual([...new Set(ended)].toSorted());
}

/** Nobody works any more and time goes by: what the reconciler does has to end everything. @throws AssertionError */
async function everythingEnds(world: World): Promise<void> {
  const { pool } = one.db;
  for (let round = 0; ; round++) {
    const { rows } = await pool.query(
      "SELECT id, status, wait_reason FROM executions WHERE engine_id = $1 AND deadline_at IS NOT NULL",
      [world.engineId],
    );
    if (rows.length === 0) return;
    // What was taken back has a new deadline.
    if (round === 3) throw new Error(`these have no exit: ${JSON.stringify(rows)}`);
    await pool.query(
      `UPDATE executions SET due_at = due_at - interval '32 d', deadline_at = deadline_at - interval '62 d',
         expires_at = expires_at - interval '62 d' WHERE engine_id = $1 AND deadline_at IS NOT NULL`,
      [world.engineId],
    );
    await pool.query("UPDATE processes SET lease_until = now()");
    await makeDueReady(pool, one.enqueuer, one.backlog);
    await takeBackLost(pool, one.enqueuer, one.signals);
    await endOverdue(pool, one.signals);
    await endOverdueHandedOver(pool, one.signals);
    await holds(world);
  }
}

test(
  "no duplicate, no coincidence and no crash changes what has ended, or leaves what has not without an exit",
  { timeout: 240_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands([steps], { maxCommands: 40, size: "max" }), async (program) => {
        const world: World = {
          engineId: freshEngineId(),
          ids: [],
          started: [],
          settled: [],
          givenBack: new Set(),
          saidToFail: new Set(),
          saidToPark: new Set(),
          finished: new Map(),
        };
        await fc.asyncModelRun(() => ({ model: { executions: 0 }, real: world }), program);
        await everythingEnds(world);
        // What came too late stands beside an attempt that there was.
        const { rows } = await one.db.pool.query(
          `SELECT l.* FROM late_results l JOIN executions e ON e.id = l.execution_id
           WHERE e.engine_id = $1 AND NOT EXISTS (SELECT FROM trail t WHERE t.id = l.execution_id AND t."to" = 'running' AND t.dispatch = l.dispatch)`,
          [world.engineId],
        );
        expect(rows).toEqual([]);
      }),
      { numRuns: 30 },
    );
  },
);
