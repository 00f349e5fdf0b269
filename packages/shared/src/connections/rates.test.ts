import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openStack, type Stack } from "../testing/stack.ts";
import { createRates } from "./rates.ts";
import { takeRate } from "./take-rate.ts";

const patient = new AbortController().signal;
const hourMs = 3_600_000;
let database: FreshDatabase;
let one: Stack;
let other: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  [one, other] = await Promise.all([
    openStack({ databaseUrl: database.url, redisUrl: null }),
    openStack({ databaseUrl: database.url, redisUrl: null }),
  ]);
});
afterAll(async () => {
  await Promise.all([one?.close(), other?.close()]);
  await database?.drop();
});

const ratesOf = (stack: Stack) =>
  createRates({ pool: stack.db.pool, onError: (error) => stack.errors.push(error) });
const freshConnection = (limit: number, perMs: number) => ({
  id: `c-${randomUUID().slice(0, 8)}`,
  rate: { limit, perMs },
});

test("over all processes no more calls go out in a window than the limit, and the rest has to come again", async () => {
  const connection = freshConnection(50, 24 * hourMs);
  const [here, there] = [ratesOf(one), ratesOf(other)];
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => [
      here.enter(connection, patient),
      there.enter(connection, patient),
    ]).flat(),
  );
  const now = answers.filter((answer) => answer === null);
  // A day's end in between would let through as many again.
  expect([50, 100]).toContain(now.length);
  // They come again by as many as a window allows, not all at once.
  const later = Map.groupBy(
    answers.filter((answer) => answer !== null),
    (ms) => Math.round(ms / hourMs / 24),
  );
  for (const at of later.values()) expect(at.length).toBeLessThanOrEqual(50 + 50);
  expect(Math.max(...answers.map((answer) => answer ?? 0))).toBeGreaterThan(2_000);
});

test("what is close enough is waited for: each has its own place", async () => {
  const connection = freshConnection(2, 1_000);
  const slots = await takeRate(one.db.pool, connection, 20);
  const waited = slots.filter(({ isParked }) => !isParked);
  const byWindow = Map.groupBy(waited, ({ inMs }) => Math.ceil(inMs / 1_000));
  for (const at of byWindow.values()) expect(at.length).toBeLessThanOrEqual(2);
  expect(Math.max(...waited.map(({ inMs }) => inMs))).toBeLessThanOrEqual(2_000);
  // Two windows begin within the next two seconds, and one is on.
  expect(waited).toHaveLength(6);
  const parked = slots.filter(({ isParked }) => isParked).map(({ inMs }) => inMs);
  expect(Math.min(...parked)).toBeGreaterThan(2_000);
  expect(parked).toEqual(parked.toSorted((a, b) => a - b));
  // Seven windows for fourteen.
  expect((parked.at(-1) ?? 0) - (parked[0] ?? 0)).toBeCloseTo(6_000);
});

test("another rate counts anew", async () => {
  const connection = freshConnection(1, 24 * hourMs);
  expect(await takeRate(one.db.pool, connection, 1)).toEqual([{ inMs: 0, isParked: false }]);
  const [spent] = await takeRate(one.db.pool, connection, 1);
  expect(spent).toMatchObject({ isParked: true });
  const raised = { ...connection, rate: { limit: 3, perMs: 24 * hourMs } };
  const slots = await takeRate(one.db.pool, raised, 4);
  expect(slots.map(({ isParked }) => isParked)).toEqual([false, false, false, true]);
});

test("who waits stops with its signal", async () => {
  const connection = freshConnection(1, 1_500);
  const rates = ratesOf(one);
  await takeRate(one.db.pool, connection, 1);
  const gone = new AbortController();
  const waiting = rates.enter(connection, gone.signal);
  gone.abort(new Error("no more"));
  await expect(waiting).rejects.toThrow("no more");
});
