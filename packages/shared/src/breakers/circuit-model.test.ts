import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import type { Admitted } from "@tl-engine/outbound";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openStack, type Stack } from "../testing/stack.ts";
import { createBreakers, type Breakers } from "./breakers.ts";

// Whatever comes of calls in several processes, in whatever order, and whoever dies over it: one call at a time tries a
// circuit that is not closed, it closes by a success alone, and it does not stay open before a peer that is well.

const policy = { failures: 2, ratio: 0.5, windowMs: 60_000, openMs: 600_000, maxOpenMs: 6_000_000 };
type Outcome = "success" | "failure" | "ignored";

let database: FreshDatabase;
let stacks: Stack[];

beforeAll(async () => {
  database = await freshDatabase();
  stacks = await Promise.all(
    [1, 2, 3].map(() => openStack({ databaseUrl: database.url, redisUrl: null })),
  );
  // Every change of a circuit, as it is committed.
  await stacks[0]?.db.pool.query(`
    CREATE TABLE trail (seq bigint GENERATED ALWAYS AS IDENTITY, id text, "from" text, "to" text, old_probe uuid, new_probe uuid, lease_over bool, may_try bool);
    CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO trail (id, "from", "to", old_probe, new_probe, lease_over, may_try) VALUES (NEW.connection_id, OLD.state, NEW.state,
        OLD.probe_id, NEW.probe_id, OLD.probe_until <= now(), OLD.retry_at <= now());
      RETURN NULL;
    END $$;
    CREATE TRIGGER trail AFTER UPDATE ON connection_breakers FOR EACH ROW EXECUTE FUNCTION follow()`);
});
afterAll(async () => {
  expect(stacks?.flatMap((stack) => stack.errors)).toEqual([]);
  await Promise.all(stacks?.map((stack) => stack.close()) ?? []);
  await database?.drop();
});

interface Held {
  readonly admitted: Admitted;
  readonly executionId: string;
}

interface World {
  readonly connection: { id: string; revision: number; breaker: typeof policy };
  readonly workers: { breakers: Breakers; held: Held[] }[];
  /** Executions whose call through a circuit that was not closed went well, by their own word. */
  readonly succeeded: Set<string>;
  readonly opened: Breakers[];
}

function open(world: Pick<World, "opened">, at: number): Breakers {
  const stack = stacks[at % stacks.length];
  if (stack === undefined) throw new Error("there are no processes");
  const breakers = createBreakers({
    pool: stack.db.pool,
    signals: stack.signals,
    onError: (error) => stack.errors.push(error),
    onReleased: () => {},
  });
  world.opened.push(breakers);
  return breakers;
}

type Command =
  | { kind: "begin"; by: number }
  | { kind: "end"; by: number; nth: number; outcome: Outcome }
  | { kind: "call"; by: number; outcome: Outcome; times: number }
  | { kind: "die"; by: number }
  | { kind: "pass open time" }
  | { kind: "pass lease" }
  | { kind: "wait"; ms: number };

const by = fc.nat({ max: 2 });
const outcome = fc.constantFrom<Outcome>("success", "failure", "failure", "failure", "ignored");
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("begin" as const), by }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      by,
      nth: fc.nat({ max: 3 }),
      outcome,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("call" as const),
      by,
      outcome,
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("die" as const), by }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass open time" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass lease" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(0, 5, 60),
    }),
  },
);

async function pass(world: World, column: "retry_at" | "probe_until"): Promise<void> {
  const { id } = world.connection;
  const state = column === "retry_at" ? "open" : "half_open";
  await stacks[0]?.db.pool.query(
    `UPDATE connection_breakers SET ${column} = now() WHERE connection_id = $1 AND state = $2`,
    [id, state],
  );
  stacks[0]?.signals.publish("breakers", id);
}

async function enter(world: World, breakers: Breakers): Promise<Held | null> {
  const executionId = randomUUID();
  const entry = await breakers.enter(world.connection, executionId);
  return "park" in entry ? null : { admitted: entry, executionId };
}

function leave(world: World, { admitted, executionId }: Held, how: Outcome): void {
  if (admitted.breakerState === "half_open" && how === "success") world.succeeded.add(executionId);
  admitted.leave(how);
}

async function step(world: World, command: Command): Promise<void> {
  switch (command.kind) {
    case "begin": {
      const worker = world.workers[command.by];
      const held = worker && (await enter(world, worker.breakers));
      if (held) worker.held.push(held);
      return;
    }
    case "end": {
      const worker = world.workers[command.by];
      const held = worker?.held.splice(command.nth % Math.max(1, worker.held.length), 1)[0];
      if (held) leave(world, held, command.outcome);
      return;
    }
    case "call": {
      const worker = world.workers[command.by];
      for (let n = 0; worker !== undefined && n < command.times; n++) {
        const held = await enter(world, worker.breakers);
        if (held) leave(world, held, command.outcome);
      }
      return;
    }
    case "die": {
      const worker = world.workers[command.by];
      if (worker === undefined) return;
      // It says nothing more of what it had under way, and renews nothing.
      await worker.breakers.close();
      worker.held.length = 0;
      worker.breakers = open(world, command.by);
      return;
    }
    case "pass open time":
      return pass(world, "retry_at");
    case "pass lease":
      return pass(world, "probe_until");
    case "wait":
      await pause(command.ms);
  }
}

/** @throws AssertionError */
async function holds(world: World): Promise<void> {
  const { id } = world.connection;
  const { rows } = await (stacks[0] as Stack).db.pool.query(
    `SELECT "from", "to", old_probe, new_probe, lease_over, may_try FROM trail WHERE id = $1 ORDER BY seq`,
    [id],
  );
  for (const { from, to, old_probe, new_probe, lease_over, may_try } of rows) {
    if (from === to && old_probe === new_probe) continue;
    const move = `${from} ${to}`;
    expect([
      "closed open",
      "open half_open",
      "half_open open",
      "half_open closed",
      "half_open half_open",
    ]).toContain(move);
    if (move === "open half_open") expect(may_try).toBe(true);
    // The permit goes to another one only when its lease is over.
    if (move === "half_open half_open") expect(lease_over).toBe(true);
  }
  const closings = rows.filter(({ from, to }) => from === "half_open" && to === "closed").length;
  expect(closings).toBeLessThanOrEqual(world.succeeded.size);
  const current = await (stacks[0] as Stack).db.pool.query(
    `SELECT probe_execution_id, probe_until > now() AS holds FROM connection_breakers WHERE connection_id = $1 AND state = 'half_open'`,
    [id],
  );
  // Of those that think that they try it, at most one holds the permit.
  const trying = world.workers.flatMap(({ held }) =>
    held.filter(({ admitted }) => admitted.breakerState === "half_open"),
  );
  const permitted = trying.filter(
    ({ executionId }) => executionId === current.rows[0]?.probe_execution_id,
  );
  expect(permitted.length).toBeLessThanOrEqual(1);
}

/** The peer is well from now on: it has to close. @throws Error */
async function closes(world: World): Promise<void> {
  for (const worker of world.workers)
    for (const held of worker.held.splice(0)) leave(world, held, "success");
  for (let round = 0; round < 400; round++) {
    for (const { breakers } of world.workers) {
      const held = await enter(world, breakers);
      if (held) leave(world, held, "success");
    }
    const { rows } = await (stacks[0] as Stack).db.pool.query(
      "SELECT state FROM connection_breakers WHERE connection_id = $1",
      [world.connection.id],
    );
    const isClosed = (rows[0]?.state ?? "closed") === "closed";
    if (isClosed && world.workers.every(({ breakers }) => breakers.isClosed(world.connection.id)))
      return;
    await pass(world, "retry_at");
    await pass(world, "probe_until");
    await pause(5);
  }
  throw new Error("it stays open before a peer that is well");
}

test(
  "one call at a time tries a circuit, it closes by a success alone, and never stays open before a healthy peer",
  { timeout: 120_000 },
  async () => {
    let openings = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 50 }), async (program) => {
        const world: World = {
          connection: { id: `c-${randomUUID()}`, revision: 1, breaker: policy },
          workers: [],
          succeeded: new Set(),
          opened: [],
        };
        for (const at of [0, 1, 2]) world.workers.push({ breakers: open(world, at), held: [] });
        for (const one of program) {
          await step(world, one);
          await holds(world);
        }
        await closes(world);
        await holds(world);
        await Promise.all(world.opened.map((breakers) => breakers.close()));
        const { rows } = await (stacks[0] as Stack).db.pool.query(
          `SELECT count(*)::int AS n FROM trail WHERE id = $1 AND "to" = 'half_open'`,
          [world.connection.id],
        );
        openings += rows[0].n;
      }),
      { numRuns: 25 },
    );
    // The programs get far enough to say something.
    expect(openings).toBeGreaterThan(8);
  },
);
