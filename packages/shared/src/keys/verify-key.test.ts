import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openDatabase, type Database } from "../db/database.ts";
import { changeKey } from "./change-key.ts";
import { createKey } from "./create-key.ts";
import { getKey } from "./get-key.ts";
import { makeKey } from "./key-format.ts";
import { createKeyReader } from "./read-keys.ts";
import { rerollKey } from "./reroll-key.ts";
import { revokeKey } from "./revoke-key.ts";
import { createKeyVerifier } from "./verify-key.ts";

let database: FreshDatabase;
let db: Database;

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({
    url: database.url,
    max: 4,
    applicationName: "test",
    onError: () => undefined,
  });
});
afterAll(async () => {
  await db.sql.destroy();
  await database.drop();
});

/** A clock that only tests move. */
let nowMs = 0;
beforeEach(() => void (nowMs = 0));

const failedWrites: unknown[] = [];
afterEach(() => expect(failedWrites.splice(0)).toEqual([]));

/** A process: the signals that it hears can be lost. */
function openProcess() {
  const hearers: ((payload: string) => void)[] = [];
  const verifier = createKeyVerifier({
    db,
    signals: { subscribe: (_, hear) => void hearers.push(hear) },
    onError: (error) => void failedWrites.push(error),
    now: () => nowMs,
  });
  return { verifier, hear: (id: string) => hearers.forEach((hear) => hear(id)) };
}
const lost = { publish: () => undefined };

/** Counts statements on their way to Postgres. */
function countQueries(): { pool: pg.Pool; queries: () => number } {
  let count = 0;
  const pool = new Proxy(db.pool, {
    get(target, name) {
      if (name !== "query") return Reflect.get(target, name) as unknown;
      return (...values: Parameters<pg.Pool["query"]>) => {
        count += 1;
        return target.query(...values) as unknown;
      };
    },
  });
  return { pool, queries: () => count };
}

describe("a key at the door", () => {
  test("is its program's caller", async () => {
    const { verifier } = openProcess();
    const { key, record } = await createKey(db, {
      name: "a",
      scopes: ["engines:execute:echo"],
      engines: ["echo"],
      rate_limit: 5,
    });
    expect(await verifier.verify(key)).toEqual({
      kind: "program",
      id: `key:${record.id}`,
      keyId: record.id,
      scopes: new Set(["engines:execute:echo"]),
      engines: new Set(["echo"]),
      rateLimit: 5,
    });
    await verifier.close();
  });

  test("is refused when unknown, of another secret, off, expired or mistyped", async () => {
    const { verifier } = openProcess();
    const good = await createKey(db, { name: "good" });
    const off = await createKey(db, { name: "off" });
    await changeKey(db, lost, off.record.id, { is_active: false });
    const expired = await createKey(db, { name: "x", expires_at: "2020-01-01T00:00:00Z" });
    for (const key of [
      makeKey().key,
      makeKey(good.record.id).key,
      off.key,
      expired.key,
      `${good.key.slice(0, -1)}-`,
      "",
    ]) {
      expect(await verifier.verify(key)).toBeNull();
    }
    expect(await verifier.verify(good.key)).not.toBeNull();
    await verifier.close();
  });

  test("is refused once it was revoked: at the signal, and without one before 5 s are over", async () => {
    const { key, record } = await createKey(db, { name: "b" });
    const [told, untold] = [openProcess(), openProcess()];
    expect(await told.verifier.verify(key)).not.toBeNull();
    expect(await untold.verifier.verify(key)).not.toBeNull();
    await revokeKey(db, { publish: (_, id) => told.hear(id) }, record.id);
    expect(await told.verifier.verify(key)).toBeNull();
    nowMs = 4001;
    expect(await untold.verifier.verify(key)).toBeNull();
    await Promise.all([told.verifier.close(), untold.verifier.close()]);
  });

  test("that was switched on again is taken before 5 s are over", async () => {
    const { verifier } = openProcess();
    const { key, record } = await createKey(db, { name: "c" });
    await changeKey(db, lost, record.id, { is_active: false });
    expect(await verifier.verify(key)).toBeNull();
    await changeKey(db, lost, record.id, { is_active: true });
    nowMs = 4001;
    expect(await verifier.verify(key)).not.toBeNull();
    await verifier.close();
  });

  test("an expiry is felt to the moment, not when the cache is old", async () => {
    const { verifier } = openProcess();
    const { key, record } = await createKey(db, { name: "d" });
    await db.pool.query("UPDATE api_keys SET expires_at = now() + interval '1 s' WHERE id = $1", [
      record.id,
    ]);
    expect(await verifier.verify(key)).not.toBeNull();
    await db.pool.query("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = $1", [
      record.id,
    ]);
    nowMs = 1001;
    expect(await verifier.verify(key)).toBeNull();
    await verifier.close();
  });

  test("both secrets of a rerolled key are taken during the overlap, then the new one alone", async () => {
    const { verifier, hear } = openProcess();
    const signals = { publish: (_: string, id: string) => hear(id) };
    const { key: first, record } = await createKey(db, { name: "e" });
    const caller = await verifier.verify(first);
    const { key: second, record: rerolled } = await rerollKey(db, signals, record.id, 60_000);
    expect(rerolled).toEqual({ ...record, lastFour: second.slice(-4) });
    expect(await verifier.verify(first)).toEqual(caller);
    expect(await verifier.verify(second)).toEqual(caller);
    await db.pool.query("UPDATE api_keys SET previous_ends_at = now() WHERE id = $1", [record.id]);
    hear(record.id);
    expect(await verifier.verify(first)).toBeNull();
    expect(await verifier.verify(second)).toEqual(caller);

    const { key: third } = await rerollKey(db, signals, record.id);
    expect(await verifier.verify(second)).toBeNull();
    expect(await verifier.verify(third)).toEqual(caller);
    await verifier.close();
  });

  test("the use of a key is noted, at most once a minute, and not by waiting for it", async () => {
    const { verifier } = openProcess();
    const { key, record } = await createKey(db, { name: "f" });
    await verifier.verify(key);
    expect((await getKey(db, record.id)).lastUsedAt).toBeNull();
    await verifier.close();
    const { lastUsedAt } = await getKey(db, record.id);
    expect(lastUsedAt).toBeInstanceOf(Date);
    const other = openProcess();
    await other.verifier.verify(key);
    await other.verifier.close();
    expect((await getKey(db, record.id)).lastUsedAt).toEqual(lastUsedAt);
  });
});

describe("reading records", () => {
  test("many requests with one key share one statement, and the next 4 s need none", async () => {
    const { record } = await createKey(db, { name: "g" });
    const { pool, queries } = countQueries();
    const reader = createKeyReader({ pool, now: () => nowMs });
    await Promise.all(Array.from({ length: 100 }, () => reader.read(record.id)));
    nowMs = 3999;
    await reader.read(record.id);
    expect(queries()).toBe(1);
    nowMs = 4000;
    await reader.read(record.id);
    expect(queries()).toBe(2);
  });

  test("30,000 made-up keys cost a few statements and a bounded memory, and push out no good key", async () => {
    const { record } = await createKey(db, { name: "h" });
    const { pool, queries } = countQueries();
    const reader = createKeyReader({ pool, now: () => nowMs });
    const good = await reader.read(record.id);
    const ids = Array.from({ length: 30_000 }, () => makeKey().id);
    const known = await Promise.all(ids.map((id) => reader.read(id)));
    expect(known.every(({ caller }) => caller === null)).toBe(true);
    expect(queries()).toBeLessThanOrEqual(33);
    expect(reader.size).toBe(10_001);
    expect(await reader.read(record.id)).toBe(good);
  });

  test("what was read before a change is not kept after it", async () => {
    const { record } = await createKey(db, { name: "i" });
    const { pool, queries } = countQueries();
    const reader = createKeyReader({ pool, now: () => nowMs });
    const reading = reader.read(record.id);
    reader.forget(record.id);
    await reading;
    await reader.read(record.id);
    expect(queries()).toBe(2);
  });

  test("Postgres' absence reaches the request, unless the record is cached", async () => {
    const { record } = await createKey(db, { name: "j" });
    let pool = db.pool;
    const away = new pg.Pool({ connectionString: "postgres://127.0.0.1:1/none" });
    const changing = new Proxy(db.pool, {
      get: (_, name) => {
        const value: unknown = Reflect.get(pool, name);
        return typeof value === "function" ? (value.bind(pool) as unknown) : value;
      },
    });
    const reader = createKeyReader({ pool: changing, now: () => nowMs });
    const known = await reader.read(record.id);
    pool = away;
    expect(await reader.read(record.id)).toBe(known);
    await expect(reader.read(makeKey().id)).rejects.toThrow("ECONNREFUSED");
    nowMs = 4001;
    await expect(reader.read(record.id)).rejects.toThrow("ECONNREFUSED");
    pool = db.pool;
    expect(await reader.read(record.id)).toEqual(known);
    await away.end();
  });
});
