import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openStack, type Stack } from "../testing/stack.ts";
import { giveUpLead, takeTurn } from "./leader.ts";

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

test("of a leader that is killed the lead is free when its lease ends, and it never leads beside the next one", async () => {
  const { pool } = stack.db;
  const [killed, next] = [randomUUID(), randomUUID()];
  const leaseMs = 2_000;
  const first = await takeTurn(pool, killed, leaseMs, 0);
  expect(first.lead).toEqual({ tick: 1, sung: 0 });
  // Nothing is heard of it any more; others ask each turn.
  let refused = 0;
  let asked = await takeTurn(pool, next, leaseMs, 0);
  while (asked.lead === null) {
    refused += 1;
    asked = await takeTurn(pool, next, leaseMs, 0);
  }
  expect(refused).toBeGreaterThan(0);
  expect(asked.atMs - first.atMs).toBeGreaterThanOrEqual(leaseMs);
  // The numbers go on: a queue that lost something is found by the next one, too.
  expect(asked.lead.tick).toBe(2);
  expect((await takeTurn(pool, killed, leaseMs, 0)).lead).toBeNull();
});

test("who stops gives the lead up at once, and only who has it", async () => {
  const { pool } = stack.db;
  await pool.query("DELETE FROM leader");
  const [first, second] = [randomUUID(), randomUUID()];
  expect((await takeTurn(pool, first, 60_000, 7)).lead).toEqual({ tick: 1, sung: 7 });
  await giveUpLead(pool, second);
  expect((await takeTurn(pool, second, 60_000, 0)).lead).toBeNull();
  await giveUpLead(pool, first);
  expect((await takeTurn(pool, second, 60_000, 0)).lead).toEqual({ tick: 2, sung: 7 });
});
