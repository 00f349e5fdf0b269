import { randomUUID } from "node:crypto";
import type { BreakerPolicy } from "@tl-engine/outbound";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { makeDueReady } from "../executions/make-ready.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  openStack,
  type Stack,
} from "../testing/stack.ts";
import { createBreakers, type Breakers, type Turned } from "./breakers.ts";
import type { GuardedConnection } from "./circuit.ts";
import { parkedConnections } from "../executions/release-parked.ts";
import { countOutcomes, ensureCircuits } from "./count-outcomes.ts";
import { releaseStranded } from "./release-stranded.ts";
import { forgetCircuit, resetCircuit } from "./reset-circuit.ts";

const policy: BreakerPolicy = {
  failures: 3,
  ratio: 0.5,
  windowMs: 60_000,
  openMs: 600_000,
  maxOpenMs: 1_000_000,
};
let database: FreshDatabase;
/** Two processes. */
let one: Stack;
let other: Stack;
const opened: Breakers[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  [one, other] = await Promise.all([
    openStack({ databaseUrl: database.url, redisUrl: null }),
    openStack({ databaseUrl: database.url, redisUrl: null }),
  ]);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((breakers) => breakers.close()));
});
afterAll(async () => {
  expect([...(one?.errors ?? []), ...(other?.errors ?? [])]).toEqual([]);
  await Promise.all([one?.close(), other?.close()]);
  await database?.drop();
});

/** The circuits as one process sees them, which lets a test wait for what it hears. */
function breakersOf(
  stack: Stack,
  onReleased = () => {},
): Breakers & { hears(connection: GuardedConnection): Promise<void> } {
  const breakers = createBreakers({
    pool: stack.db.pool,
    signals: stack.signals,
    onError: (error) => stack.errors.push(error),
    onReleased,
  });
  opened.push(breakers);
  const heard = new Set<string>();
  let wake = (): void => {};
  breakers.onChange((id) => {
    heard.add(id);
    wake();
  });
  return {
    ...breakers,
    async hears({ id }) {
      while (!heard.delete(id)) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

function freshConnection(breaker: BreakerPolicy | null = policy): GuardedConnection {
  return { id: `c-${randomUUID().slice(0, 8)}`, revision: 1, breaker };
}

async function call(
  breakers: Breakers,
  connection: GuardedConnection,
  outcome: "success" | "failure" | "ignored",
): Promise<"closed" | "half_open" | Turned> {
  const entry = await breakers.enter(connection, randomUUID());
  if ("park" in entry) return entry;
  entry.leave(outcome);
  return entry.breakerState;
}

async function row(id: string): Promise<Record<string, unknown> | undefined> {
  const { rows } = await one.db.pool.query(
    `SELECT state, openings, open_ms, (SELECT sum(n)::int FROM unnest(calls) n) AS calls,
       (SELECT sum(n)::int FROM unnest(failures) n) AS failures, generation::int FROM connection_breakers WHERE connection_id = $1`,
    [id],
  );
  return rows[0];
}

/** Its time is over. */
async function passOpenTime(id: string): Promise<void> {
  await one.db.pool.query(
    "UPDATE connection_breakers SET retry_at = now() WHERE connection_id = $1 AND state = 'open'",
    [id],
  );
  one.signals.publish("breakers", id);
}

/** Until that call is let through, or is turned away: news needs a moment. */
async function until<T>(ask: () => Promise<T>, is: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (is(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const isTurned = (answer: unknown): answer is Turned => typeof answer === "object";

test("a circuit opens for all processes by what came of calls in any of them, and one call decides about it", async () => {
  const here = breakersOf(one);
  const there = breakersOf(other);
  const connection = freshConnection();
  const { id } = connection;
  expect(await call(here, connection, "failure")).toBe("closed");
  expect(await call(there, connection, "failure")).toBe("closed");
  await until(
    () => row(id),
    (found) => found?.failures === 2,
  );
  expect(here.isClosed(id) && there.isClosed(id)).toBe(true);
  expect(await call(there, connection, "failure")).toBe("closed");
  await there.hears(connection);
  await here.hears(connection);
  expect(here.states()).toContainEqual({ connectionId: id, state: "open" });
  const turned = await call(here, connection, "success");
  expect(turned).toMatchObject({
    park: { reason: "circuit_open", delayMs: null, blockedBy: `connection:${id}` },
  });

  await passOpenTime(id);
  const probe = await until(
    async () => here.enter(connection, randomUUID()),
    (entry) => !("park" in entry),
  );
  if ("park" in probe) throw new Error("it was turned away");
  expect(probe.breakerState).toBe("half_open");
  // Nobody else is let through meanwhile, here or there.
  expect(isTurned(await call(here, connection, "success"))).toBe(true);
  expect(isTurned(await call(there, connection, "success"))).toBe(true);
  probe.leave("success");
  await here.hears(connection);
  await there.hears(connection);
  expect(await call(there, connection, "success")).toBe("closed");
  expect(await row(id)).toMatchObject({ state: "closed", openings: 0, failures: 0 });
});

test("a probe that fails opens it for twice as long, up to the longest; one that says nothing leaves it to the next", async () => {
  const here = breakersOf(one);
  const connection = freshConnection();
  const { id } = connection;
  for (let n = 0; n < 3; n++) await call(here, connection, "failure");
  await here.hears(connection);
  expect(await row(id)).toMatchObject({ state: "open", openings: 1, open_ms: 600_000 });
  const probe = async (outcome: "failure" | "ignored") => {
    await passOpenTime(id);
    await until(
      () => call(here, connection, outcome),
      (answer) => answer === "half_open",
    );
    await until(
      () => row(id),
      (found) => found?.state === "open",
    );
  };
  await probe("failure");
  expect(await row(id)).toMatchObject({ openings: 2, open_ms: 1_000_000 });
  await probe("failure");
  expect(await row(id)).toMatchObject({ openings: 3, open_ms: 1_000_000 });
  await probe("ignored");
  expect(await row(id)).toMatchObject({ openings: 3, open_ms: 1_000_000 });
  expect(
    await until(
      () => call(here, connection, "success"),
      (answer) => !isTurned(answer),
    ),
  ).toBe("half_open");
});

test("successes keep it closed, and what is older than the window counts no more", async () => {
  const { pool } = one.db;
  const connection = { ...freshConnection(), breaker: policy };
  const { id } = connection;
  const count = async (successes: number, failures: number, generation = 0) =>
    (await countOutcomes(pool, [{ connection, generation, successes, failures }]))[0]?.state;
  await ensureCircuits(pool, [id]);
  expect(await count(8, 0)).toBe("closed");
  expect(await count(0, 7)).toBe("closed");
  expect(await row(id)).toMatchObject({ calls: 15, failures: 7 });
  // Nine tenths of the window later they still count, ten tenths later they don't.
  const pass = (parts: number) =>
    pool.query("UPDATE connection_breakers SET part = part - $2 WHERE connection_id = $1", [
      id,
      parts,
    ]);
  await pass(8);
  expect(await count(1, 0)).toBe("closed");
  expect(await row(id)).toMatchObject({ calls: 16, failures: 7 });
  await pass(2);
  expect(await count(0, 2)).toBe("closed");
  expect(await row(id)).toMatchObject({ calls: 3, failures: 2 });
  // What was let through before it changed says nothing of now.
  expect(await count(0, 100, 1)).toBeUndefined();
  expect(await count(0, 1)).toBe("open");
});

test("a policy that is changed counts anew", async () => {
  const { pool } = one.db;
  const connection = { ...freshConnection(), breaker: policy };
  await ensureCircuits(pool, [connection.id]);
  await countOutcomes(pool, [{ connection, generation: 0, successes: 0, failures: 2 }]);
  const changed = { ...connection, breaker: { ...policy, windowMs: 30_000 } };
  await countOutcomes(pool, [{ connection: changed, generation: 0, successes: 0, failures: 2 }]);
  expect(await row(connection.id)).toMatchObject({ state: "closed", failures: 2 });
});

test("without a breaker nothing is counted and nothing is asked", async () => {
  const here = breakersOf(one);
  const connection = freshConnection(null);
  for (let n = 0; n < 10; n++) expect(await call(here, connection, "failure")).toBe("closed");
  await here.close();
  expect(await row(connection.id)).toBeUndefined();
});

test("a healthy connection costs a statement now and then, and what it counts is right", async () => {
  let statements = 0;
  const { pool } = one.db;
  const counting = new Proxy(pool, {
    get(target, name) {
      if (name === "query") statements += 1;
      return Reflect.get(target, name);
    },
  });
  const here = createBreakers({
    pool: counting,
    signals: one.signals,
    onError: (error) => one.errors.push(error),
    onReleased: () => {},
  });
  const connection = freshConnection();
  for (let n = 0; n < 10_000; n++) here.report(connection, "success");
  await here.close();
  expect(statements).toBeLessThan(10);
  expect(await row(connection.id)).toMatchObject({ calls: 10_000, failures: 0 });
});

async function parkOn(
  connection: GuardedConnection,
  engineId: string,
  count: number,
): Promise<string[]> {
  const executions = Array.from({ length: count }, () => newExecution({ engineId }));
  for (let at = 0; at < count; at += 100)
    await Promise.all(executions.slice(at, at + 100).map((one_) => one.submitter.submit(one_)));
  const engine = { engineId, version: 1, concurrency: null };
  const ids = executions.map(({ id }) => id);
  for (let at = 0; at < count; at += 250) {
    const some = ids.slice(at, at + 250);
    await one.starter.start(
      engine,
      some.map((id) => [id, 0] as const),
      new AbortController().signal,
    );
    await Promise.all(
      some.map((id) =>
        one.settler.settle({
          id,
          dispatch: 1,
          attempt: 1,
          outcome: "parked",
          failure: { code: "upstream_error", detail: "503", retryable: true },
          delayMs: null,
          reason: "circuit_open",
          blockedBy: `connection:${connection.id}`,
        }),
      ),
    );
  }
  return ids;
}

test(
  "what was parked is released to try it when it is time, and all of it in order once it is closed",
  { timeout: 60_000 },
  async () => {
    const released: (() => void)[] = [];
    const here = breakersOf(one, () => released.shift()?.());
    const nextRelease = () => new Promise<void>((resolve) => released.push(resolve));
    const connection = freshConnection();
    const { id } = connection;
    for (let n = 0; n < 3; n++) await call(here, connection, "failure");
    await here.hears(connection);
    const engineId = freshEngineId();
    const ids = await parkOn(connection, engineId, 1_000);
    const due = async () =>
      (
        await one.db.pool.query(
          "SELECT id FROM executions WHERE engine_id = $1 AND due_at <= now() ORDER BY due_at, id",
          [engineId],
        )
      ).rows.map((found) => found.id);
    const first = nextRelease();
    await passOpenTime(id);
    await first;
    expect(await due()).toEqual(ids.slice(0, 1));
    const deliveries = listenForDeliveries(one.queue, engineId, 1, 1);
    await makeDueReady(one.db.pool, one.enqueuer, one.backlog);
    await until(
      async () => deliveries.items,
      (items) => items.some(([item, dispatch]) => item === ids[0] && dispatch === 2),
    );
    const all = nextRelease();
    await until(
      () => call(here, connection, "success"),
      (answer) => answer === "half_open",
    );
    await all;
    expect(await due()).toEqual(ids.slice(1));
    // As much room as there is for an engine with many slots.
    const roomy = { ...one.backlog, windows: () => [{ engineId, version: 1, most: 1_000 }] };
    await makeDueReady(one.db.pool, one.enqueuer, roomy);
    const resumed = await until(
      async () => deliveries.items.filter(([, dispatch]) => dispatch === 2),
      (items) => items.length === 1_000,
    );
    expect(resumed.map(([item]) => item)).toEqual(ids);
    await deliveries.close();
  },
);

test("a permit whose process is gone is given to the next one when its lease is over", async () => {
  const dying = breakersOf(other);
  const here = breakersOf(one);
  const connection = freshConnection();
  const { id } = connection;
  for (let n = 0; n < 3; n++) await call(here, connection, "failure");
  await Promise.all([here.hears(connection), dying.hears(connection)]);
  await passOpenTime(id);
  const held = await until(
    async () => dying.enter(connection, randomUUID()),
    (entry) => !("park" in entry),
  );
  // It is parked and says nothing more: nobody renews.
  await dying.close();
  expect(isTurned(await call(here, connection, "success"))).toBe(true);
  const { rowCount } = await one.db.pool.query(
    "UPDATE connection_breakers SET probe_until = now() WHERE connection_id = $1 AND state = 'half_open'",
    [id],
  );
  expect(rowCount).toBe(1);
  one.signals.publish("breakers", id);
  const next = await until(
    async () => here.enter(connection, randomUUID()),
    (entry) => !("park" in entry),
  );
  // What the old one says does not count any more.
  if ("leave" in held) held.leave("success");
  expect(await row(id)).toMatchObject({ state: "half_open" });
  if ("leave" in next) next.leave("success");
  await until(
    () => row(id),
    (found) => found?.state === "closed",
  );
});

test("nothing stays parked: not for a circuit that is closed, gone or switched off, nor for one that nobody tries", async () => {
  const { pool } = one.db;
  const stranded = () => releaseStranded(pool, one.signals);
  expect(await stranded()).toBe(0);
  const make = async (id: string, config: object): Promise<void> => {
    await pool.query("INSERT INTO connections (id, kind, config) VALUES ($1, 'http', $2)", [
      id,
      JSON.stringify(config),
    ]);
  };
  const open = async (connection: GuardedConnection): Promise<void> => {
    await ensureCircuits(pool, [connection.id]);
    const { rows } = await pool.query("SELECT revision FROM connections WHERE id = $1", [
      connection.id,
    ]);
    const revision = Number(rows[0]?.revision ?? 0);
    const guarded = { ...connection, breaker: policy, revision };
    await countOutcomes(pool, [{ connection: guarded, generation: 0, successes: 0, failures: 3 }]);
  };
  const closed = freshConnection();
  await parkOn(closed, freshEngineId(), 2);
  expect(await stranded()).toBe(2);

  const gone = freshConnection();
  await open(gone);
  await parkOn(gone, freshEngineId(), 2);
  expect(await stranded()).toBe(2);
  expect(await row(gone.id)).toMatchObject({ state: "closed" });

  const off = freshConnection();
  await make(off.id, { breaker: null });
  await open(off);
  await parkOn(off, freshEngineId(), 1);
  expect(await stranded()).toBe(1);

  const open_ = freshConnection();
  await make(open_.id, { breaker: {} });
  await open(open_);
  await parkOn(open_, freshEngineId(), 3);
  expect(await stranded()).toBe(0);
  // Changed since it opened: it may be tried at once, by one.
  await pool.query(
    "UPDATE connections SET revision = nextval('connection_revisions') WHERE id = $1",
    [open_.id],
  );
  expect(await stranded()).toBe(1);
  expect(await stranded()).toBe(0);
  await pool.query(
    "UPDATE connection_breakers SET released_until = now() WHERE connection_id = $1",
    [open_.id],
  );
  expect(await stranded()).toBe(1);
  await pool.query("UPDATE connections SET is_active = false WHERE id = $1", [open_.id]);
  expect(await stranded()).toBe(1);
});

test("an operator closes it by hand", async () => {
  const here = breakersOf(one);
  const connection = freshConnection();
  for (let n = 0; n < 3; n++) await call(here, connection, "failure");
  await here.hears(connection);
  await parkOn(connection, freshEngineId(), 2);
  expect(await resetCircuit(other.db.pool, other.signals, connection.id)).toBe(2);
  await here.hears(connection);
  expect(await call(here, connection, "success")).toBe("closed");
  expect(await resetCircuit(other.db.pool, other.signals, connection.id)).toBe(0);
});

test("a connection that is removed takes its counts along, and lets go of what waits for it", async () => {
  const here = breakersOf(one);
  const connection = freshConnection();
  const { id } = connection;
  for (let n = 0; n < 2; n++) await call(here, connection, "failure");
  await until(
    () => row(id),
    (found) => found?.failures === 2,
  );
  const before = await row(id);
  await parkOn(connection, freshEngineId(), 2);
  await forgetCircuit(other.db.pool, other.signals, id);
  // What is under way is of another generation, and counts for nobody who gets its id.
  expect(await row(id)).toMatchObject({ state: "closed", failures: 0, calls: 0 });
  expect(Number((await row(id))?.["generation"])).toBeGreaterThan(Number(before?.["generation"]));
  expect(await parkedConnections(one.db.pool)).not.toContain(`connection:${id}`);
});
