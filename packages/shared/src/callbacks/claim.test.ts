import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { claimDeliveries, type ClaimOptions, type Place } from "./claim.ts";
import { readDelivery } from "./deliveries.ts";
import { recordTries, type TryResult } from "./record-tries.ts";
import { maxRetryAfterMs, nextTryInMs, retryDelaysMs } from "./schedule.ts";

let database: FreshDatabase;
let db: Database;

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({
    url: database.url,
    max: 4,
    applicationName: "tl-test",
    onError: () => undefined,
  });
});
beforeEach(() => db.pool.query("TRUNCATE callback_deliveries"));
afterAll(async () => {
  await closeDatabase(db);
  await database.drop();
});

/** Deliveries that are due, the first ones of all the longest. */
async function owe(caller: string, targets: string[], each = 1): Promise<void> {
  await db.pool.query(
    `INSERT INTO callback_deliveries (execution_id, caller_id, url, target, event, status, next_at)
     SELECT gen_random_uuid(), $1, t, t, 'execution.failed', 'pending', now() - interval '1 hour' + n * interval '1 ms'
     FROM unnest($2::text[]) AS t, generate_series(1, $3) AS n`,
    [caller, targets, each],
  );
}
const claim = (over: Partial<ClaimOptions> = {}) =>
  claimDeliveries(db.pool, {
    workerId: randomUUID(),
    room: 10,
    busy: [],
    perTarget: 4,
    leaseMs: 60_000,
    after: null,
    targetsPerCaller: null,
    ...over,
  });
const names = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, n) => `https://${prefix}${String(n).padStart(4, "0")}`);
const result = (id: string, claims: number, outcome: TryResult["outcome"]): TryResult => ({
  id,
  claims,
  outcome,
  status: 200,
  error: null,
  delayMs: 5_000,
});

describe("a claim", () => {
  it("is one process' alone until its lease ends, and fences off what an earlier one says", async () => {
    await owe("key:a", ["https://a"]);
    const [first] = (await claim()).deliveries;
    if (first === undefined) throw new Error("nothing was due");
    expect(first).toMatchObject({ claims: 1, tries: 1, is_active: true });
    expect((await claim()).deliveries).toEqual([]);
    await db.pool.query("UPDATE callback_deliveries SET next_at = now()");
    const [second] = (await claim()).deliveries;
    expect(second).toMatchObject({ id: first.id, claims: 2, tries: 2 });
    await recordTries(db.pool, [result(first.id, 1, "delivered")]);
    expect(await readDelivery(db.pool, first.id)).toMatchObject({ status: "pending", tries: 2 });
    await recordTries(db.pool, [result(first.id, 2, "retry")]);
    await recordTries(db.pool, [result(first.id, 2, "retry")]);
    expect(await readDelivery(db.pool, first.id)).toMatchObject({ status: "pending", tries: 2 });
    await recordTries(db.pool, [result(first.id, 2, "delivered")]);
    await recordTries(db.pool, [result(first.id, 2, "failed")]);
    expect(await readDelivery(db.pool, first.id)).toMatchObject({ status: "delivered" });
  });

  it("takes turns over callers, then over their addresses, however much each is owed", async () => {
    await owe("key:a", names(3, "a"), 100);
    await owe("key:b", names(1, "b"), 2);
    await owe("key:c", names(1, "c"), 1);
    const { deliveries } = await claim({ room: 7 });
    const counts = Map.groupBy(deliveries, (one) => one.caller_id);
    const taken = Object.fromEntries([...counts].map(([caller, all]) => [caller, all.length]));
    expect(taken).toEqual({ "key:a": 4, "key:b": 2, "key:c": 1 });
    const ofA = (counts.get("key:a") ?? []).map((one) => one.target);
    expect(new Set(ofA).size).toBe(3);
  });

  it("leaves out addresses that have as much under way as they may", async () => {
    await owe("key:a", names(2, "a"), 10);
    const [full = "", other = ""] = names(2, "a");
    const busy = [{ caller: "key:a", target: full, count: 4 }];
    const { deliveries } = await claim({ busy });
    expect(deliveries.map((one) => one.target)).toEqual([other, other, other, other]);
  });

  it("passes very many addresses page by page, and few of each caller where that is asked for", async () => {
    await owe("key:a", names(300, "a"));
    await owe("key:z", names(1, "z"));
    const few = await claim({ room: 100, targetsPerCaller: 8 });
    expect(few.deliveries.map((one) => one.caller_id)).toContain("key:z");
    expect(few.deliveries).toHaveLength(9);
    expect(few).toMatchObject({ last: null, skipped: true });

    let after: Place | null = null;
    let found = few.deliveries.length;
    do {
      const { deliveries, last } = await claim({ room: 1_000, after });
      found += deliveries.length;
      after = last;
    } while (after !== null);
    expect(found).toBe(301);
  });

  it("several at once take each delivery once", async () => {
    await owe("key:a", names(5, "a"), 10);
    const all = await Promise.all(Array.from({ length: 4 }, () => claim({ perTarget: 10 })));
    const ids = all.flatMap(({ deliveries }) => deliveries.map((one) => one.id));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it("the schedule: 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, a fifth later at most, and no sooner than asked", () => {
  const seconds = retryDelaysMs.map((_, n) => (nextTryInMs(n + 1, null, 0) ?? 0) / 1_000);
  expect(seconds).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400]);
  expect(nextTryInMs(8, null)).toBeNull();
  expect(nextTryInMs(1, null, 1)).toBe(6_000);
  expect(nextTryInMs(1, 600_000, 0)).toBe(600_000);
  expect(nextTryInMs(3, 1_000, 0)).toBe(1_800_000);
  expect(nextTryInMs(1, 10 * maxRetryAfterMs, 0)).toBe(maxRetryAfterMs);
});
