import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openStack, type Stack } from "../testing/stack.ts";
import { holdPlaces } from "./hold-places.ts";
import { createPlaces, type Places } from "./places.ts";

const patient = new AbortController().signal;
let database: FreshDatabase;
/** Two processes. */
let one: Stack;
let other: Stack;
let here: Places;
let there: Places;

beforeAll(async () => {
  database = await freshDatabase();
  [one, other] = await Promise.all([
    openStack({ databaseUrl: database.url, redisUrl: null }),
    openStack({ databaseUrl: database.url, redisUrl: null }),
  ]);
  [here, there] = [one, other].map(placesOf) as [Places, Places];
});
afterAll(async () => {
  await Promise.all([here?.close(), there?.close()]);
  expect([...(one?.errors ?? []), ...(other?.errors ?? [])]).toEqual([]);
  await Promise.all([one?.close(), other?.close()]);
  await database?.drop();
});

function placesOf(stack: Stack): Places {
  return createPlaces({
    pool: stack.db.pool,
    signals: stack.signals,
    processId: stack.registration.id,
    onError: (error) => stack.errors.push(error),
  });
}

const freshConnection = (concurrency: number) => ({
  id: `c-${randomUUID().slice(0, 8)}`,
  concurrency,
});
const turn = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3));

async function heldOf(id: string): Promise<number> {
  const { rows } = await one.db.pool.query(
    `SELECT coalesce(sum((value ->> 'held')::int), 0)::int AS held FROM connection_places, jsonb_each(holders) WHERE connection_id = $1`,
    [id],
  );
  return rows[0].held;
}

test(
  "never more than the bound are under way over all processes, and all get their turn",
  { timeout: 60_000 },
  async () => {
    for (const bound of [1, 3]) {
      const connection = freshConnection(bound);
      let underWay = 0;
      let most = 0;
      const made: string[] = [];
      const call = async (places: Places, name: string): Promise<void> => {
        const leave = await places.enter(connection, patient);
        underWay += 1;
        most = Math.max(most, underWay);
        await turn();
        made.push(name);
        underWay -= 1;
        leave();
      };
      await Promise.all(
        Array.from({ length: 60 }, (_, n) => [
          call(here, `here ${n}`),
          call(there, `there ${n}`),
        ]).flat(),
      );
      expect(most).toBe(bound);
      expect(made).toHaveLength(120);
      // Neither process was kept waiting until the other one had made all of its calls.
      const first = (who: string) => made.findIndex((name) => name.startsWith(who));
      expect(Math.max(first("here"), first("there"))).toBeLessThan(60);
    }
  },
);

test("in one process they are served in order, and without asking while there is a place to spare", async () => {
  const connection = freshConnection(1);
  const first = await here.enter(connection, patient);
  const order: number[] = [];
  const later = [1, 2, 3].map(async (n) => {
    const leave = await here.enter(connection, patient);
    order.push(n);
    leave();
  });
  first();
  await Promise.all(later);
  expect(order).toEqual([1, 2, 3]);
});

test("whoever stops waiting stands in nobody's way", async () => {
  const connection = freshConnection(1);
  const first = await here.enter(connection, patient);
  const gone = new AbortController();
  const waiting = there.enter(connection, gone.signal);
  gone.abort(new Error("no more"));
  await expect(waiting).rejects.toThrow("no more");
  await expect(there.enter(connection, gone.signal)).rejects.toThrow("no more");
  const next = there.enter(connection, patient);
  first();
  (await next)();
});

test("a place that is kept for nobody is the other's at once", async () => {
  const connection = freshConnection(2);
  (await here.enter(connection, patient))();
  (await here.enter(connection, patient))();
  const both = await Promise.all([
    there.enter(connection, patient),
    there.enter(connection, patient),
  ]);
  expect(await heldOf(connection.id)).toBe(2);
  for (const leave of both) leave();
});

test("places of a process that is lost come back, and not before it is known to be", async () => {
  const lost = await openStack({ databaseUrl: database.url, redisUrl: null });
  const places = placesOf(lost);
  const connection = freshConnection(2);
  await Promise.all([places.enter(connection, patient), places.enter(connection, patient)]);
  let isThere = false;
  const next = here.enter(connection, patient).then((leave) => {
    isThere = true;
    return leave;
  });
  const { id } = lost.registration;
  // Its lease may be over only because Postgres could not be reached: the leader decides.
  await one.db.pool.query("UPDATE processes SET lease_until = now() WHERE id = $1", [id]);
  const asked = {
    connectionId: connection.id,
    processId: one.registration.id,
    limit: 2,
    inUse: 0,
    waiting: 1,
  };
  expect(await holdPlaces(one.db.pool, asked)).toMatchObject({ taken: 0 });
  expect(isThere).toBe(false);
  await one.db.pool.query("DELETE FROM processes WHERE id = $1", [id]);
  (await next)();
  expect(lost.errors).toEqual([]);
  await lost.close();
});

test("a limit that was lowered holds from then on", async () => {
  const connection = freshConnection(3);
  const leaves = await Promise.all([1, 2, 3].map(() => here.enter(connection, patient)));
  const lowered = { ...connection, concurrency: 1 };
  const next = there.enter(lowered, patient);
  leaves[0]?.();
  leaves[1]?.();
  await turn();
  expect(await heldOf(connection.id)).toBeLessThanOrEqual(3);
  leaves[2]?.();
  (await next)();
});
