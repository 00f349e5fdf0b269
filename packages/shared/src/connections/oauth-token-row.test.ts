import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { claimFetch, readTokenRow, storeFailure, storeToken } from "./oauth-token-row.ts";

let database: FreshDatabase;
let db: Database;
beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({
    url: database.url,
    max: 2,
    applicationName: "test",
    onError: () => undefined,
  });
  await db.pool.query(
    "INSERT INTO connections (id, kind, config) SELECT 'c' || n, 'http', '{}' FROM generate_series(1, 9) AS n",
  );
});
afterAll(async () => {
  await closeDatabase(db);
  await database.drop();
});

const failure = { code: "upstream_error", message: "it failed", retryable: true };
const kept = {
  tokens: "v1.x",
  ageMs: 0,
  renewInMs: 30_000,
  livesMs: 60_000,
  afterRefusal: false,
};
const seen = { revision: 1, generation: 0 };

function claim(
  id: string,
  before: typeof seen | null,
  { revision = 1, by = randomUUID(), spent = false } = {},
): Promise<boolean> {
  return claimFetch(db.pool, { id, revision }, before, by, 60_000, spent);
}

test("a fetch has one owner, also among those who saw no row", async () => {
  const claims = await Promise.all(Array.from({ length: 8 }, () => claim("c1", null)));
  expect(claims.filter(Boolean)).toHaveLength(1);
  expect(await claim("c1", seen)).toBe(false);
});

test("who saw the row before a failure does not fetch right behind it", async () => {
  const by = randomUUID();
  await claim("c2", null, { by });
  await storeFailure(db.pool, "c2", by, failure, 60_000, null);
  expect(await claim("c2", seen)).toBe(false);
  expect(await readTokenRow(db.pool, "c2")).toMatchObject({ failures: 1, lastError: failure });
  // A newer form of the connection has nothing held against it.
  expect(await claim("c2", seen, { revision: 2 })).toBe(true);
  expect(await readTokenRow(db.pool, "c2")).toMatchObject({ failures: 0, lastError: null });
});

test("a failure that comes when the fetch is somebody else's by now changes nothing", async () => {
  await claim("c3", null);
  await storeFailure(db.pool, "c3", randomUUID(), failure, 60_000, null);
  expect(await readTokenRow(db.pool, "c3")).toMatchObject({ failures: 0, lastError: null });
});

test("who saw the row before a token came does not fetch another one", async () => {
  await claim("c4", null);
  expect(await storeToken(db.pool, "c4", seen, kept)).toBe(0);
  expect(await claim("c4", seen)).toBe(false);
  // The second of two that were fetched upon the same one is too late.
  expect(await storeToken(db.pool, "c4", seen, kept)).toBeNull();
});

test("an older form of the connection takes nothing over", async () => {
  await claim("c5", null, { revision: 2 });
  await storeToken(db.pool, "c5", { revision: 2, generation: 0 }, kept);
  expect(await claim("c5", { revision: 2, generation: 1 }, { revision: 1 })).toBe(false);
});

test("the token of an older form serves no more, and a refused one serves nobody", async () => {
  for (const [id, options] of [
    ["c6", { revision: 2 }],
    ["c7", { spent: true }],
  ] as const) {
    await claim(id, null);
    await storeToken(db.pool, id, seen, kept);
    expect(await claim(id, { revision: 1, generation: 1 }, options)).toBe(true);
    expect((await readTokenRow(db.pool, id))?.livesMs).toBeLessThanOrEqual(0);
  }
});

test("a renewal that is no refusal leaves the token to the others", async () => {
  await claim("c8", null);
  await storeToken(db.pool, "c8", seen, kept);
  expect(await claim("c8", { revision: 1, generation: 1 })).toBe(true);
  expect((await readTokenRow(db.pool, "c8"))?.livesMs).toBeGreaterThan(0);
});

test("refusals are counted as long as they follow one another", async () => {
  await claim("c9", null);
  const afterRefusal = { ...kept, afterRefusal: true };
  const store = (generation: number, token = afterRefusal) =>
    storeToken(db.pool, "c9", { revision: 1, generation }, token);
  expect(await store(0, kept)).toBe(0);
  expect([await store(1), await store(2), await store(3)]).toEqual([1, 2, 3]);
  await db.pool.query("UPDATE oauth_tokens SET obtained_at = now() - interval '6 minutes'");
  expect(await store(4)).toBe(1);
  expect(await store(5, kept)).toBe(0);
});
