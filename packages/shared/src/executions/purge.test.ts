import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openDatabase, type Database } from "../db/database.ts";
import { insertOldExecutions } from "../testing/old-executions.ts";
import { createPurgeWalk } from "./purge-walk.ts";
import { purgePage, type PurgeLimits, type PurgePage } from "./purge.ts";

const day = 86_400_000;
const lowest = "00000000-0000-0000-0000-000000000000";
const wide: PurgeLimits = { executions: 500, calls: 1_000, bytes: 16 * 1024 * 1024 };
let database: FreshDatabase;
let db: Database;

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({
    url: database.url,
    max: 1,
    applicationName: "tl-test",
    onError: () => undefined,
  });
});
beforeEach(async () => {
  await db.pool.query("TRUNCATE executions, outbound_calls, execution_tombstones");
});
afterAll(async () => {
  await db.pool.end();
  await database.drop();
});

const page = (over: Partial<Parameters<typeof purgePage>[1]> = {}): Promise<PurgePage> =>
  purgePage(db.pool, {
    leg: "past",
    after: lowest,
    retentionMs: 7 * day,
    slackMs: 0,
    limits: wide,
    ...over,
  });
const count = async (table: string): Promise<number> =>
  Number((await db.pool.query(`SELECT count(*) FROM ${table}`)).rows[0].count);

/** Walks until nothing is left to do. */
async function walkAll(
  walk: ReturnType<typeof createPurgeWalk>,
): Promise<{ pages: number; executions: number[] }> {
  const executions: number[] = [];
  for (let pages = 1; ; pages += 1) {
    const { removed, more } = await walk.page();
    executions.push(removed.execution ?? 0);
    if (!more) return { pages, executions };
  }
}

describe("one page", () => {
  test("takes what finished before the time of retention, with its calls, and leaves tombstones", async () => {
    const gone = await insertOldExecutions(db.pool, {
      count: 3,
      daysOld: 9,
      finishedDaysAgo: 8,
      callsEach: 2,
    });
    const kept = await insertOldExecutions(db.pool, {
      count: 2,
      daysOld: 9,
      finishedDaysAgo: 6,
      callsEach: 1,
    });
    await insertOldExecutions(db.pool, { count: 2, daysOld: 20 });
    await insertOldExecutions(db.pool, { count: 2, daysOld: 1, finishedDaysAgo: 0.5 });
    const done = await page();
    expect(done).toMatchObject({ executions: 3, calls: 6, more: false });
    // The first of those that it left is due in a day.
    expect(done.dueInMs).toBeGreaterThan(0.99 * day);
    expect(done.dueInMs).toBeLessThan(1.01 * day);
    expect(await count("executions")).toBe(6);
    expect(await count("outbound_calls")).toBe(2);
    const { rows } = await db.pool.query(
      `SELECT execution_id, caller_id, engine_id, version, status, extract(epoch FROM purged_at - finished_at) / 86400 AS days
       FROM execution_tombstones ORDER BY execution_id`,
    );
    expect(rows.map((row) => row.execution_id)).toEqual(gone);
    expect(rows[0]).toMatchObject({
      caller_id: "key:old",
      engine_id: "old",
      version: 1,
      status: "succeeded",
    });
    expect(Math.round(Number(rows[0].days))).toBe(8);
    expect(kept).toHaveLength(2);
  });

  test("takes what was told of them along, sent or not, and leaves that of others", async () => {
    const gone = await insertOldExecutions(db.pool, { count: 2, daysOld: 9, finishedDaysAgo: 8 });
    const kept = await insertOldExecutions(db.pool, { count: 1, daysOld: 9, finishedDaysAgo: 6 });
    await db.pool.query(
      `INSERT INTO callback_deliveries (execution_id, caller_id, url, target, event, status, next_at, finished_at)
       SELECT id, 'key:old', 'https://example.com', 'https://example.com', 'execution.succeeded',
         CASE n WHEN 1 THEN 'delivered' ELSE 'pending' END, CASE n WHEN 1 THEN NULL ELSE now() END,
         CASE n WHEN 1 THEN now() END
       FROM unnest($1::uuid[]) WITH ORDINALITY AS t(id, n)`,
      [[...gone, ...kept]],
    );
    expect(await page()).toMatchObject({ executions: 2 });
    const { rows } = await db.pool.query("SELECT execution_id FROM callback_deliveries");
    expect(rows).toEqual([{ execution_id: kept[0] }]);
  });

  test("never takes more executions than its limit, and goes on where it ended", async () => {
    const ids = await insertOldExecutions(db.pool, { count: 5, daysOld: 9, finishedDaysAgo: 8 });
    const limits = { ...wide, executions: 2 };
    const first = await page({ limits });
    expect(first).toMatchObject({ executions: 2, last: ids[1], more: true });
    const second = await page({ limits, after: ids[1]! });
    expect(second).toMatchObject({ executions: 2, last: ids[3], more: true });
    expect(await page({ limits, after: ids[3]! })).toMatchObject({ executions: 1, more: false });
  });

  test("an execution with more calls than a page may take leaves with the last of them", async () => {
    const [small] = await insertOldExecutions(db.pool, {
      count: 1,
      daysOld: 10,
      finishedDaysAgo: 8,
      callsEach: 1,
    });
    const [big] = await insertOldExecutions(db.pool, {
      count: 1,
      daysOld: 9,
      finishedDaysAgo: 8,
      callsEach: 7,
    });
    const limits = { ...wide, calls: 3 };
    expect(await page({ limits })).toMatchObject({
      executions: 1,
      calls: 3,
      last: small,
      more: true,
    });
    expect(await page({ limits, after: small! })).toMatchObject({
      executions: 0,
      calls: 3,
      last: null,
      more: true,
    });
    expect(await page({ limits, after: small! })).toMatchObject({
      executions: 1,
      calls: 2,
      last: big,
      more: false,
    });
    expect(await count("outbound_calls")).toBe(0);
  });

  test("large bodies make a page smaller, and one that is larger than a page leaves alone", async () => {
    const ids = await insertOldExecutions(db.pool, {
      count: 3,
      daysOld: 9,
      finishedDaysAgo: 8,
      outputBytes: 64 * 1024,
    });
    await db.pool.query("ALTER TABLE executions ALTER output SET STORAGE EXTERNAL");
    const limits = { ...wide, bytes: 1 };
    expect(await page({ limits })).toMatchObject({ executions: 1, last: ids[0], more: true });
    expect(await page({ limits, after: ids[0]! })).toMatchObject({ executions: 1, more: true });
    expect(await page({ limits, after: ids[1]! })).toMatchObject({ executions: 1, more: false });
  });

  test("ids from a clock that was far ahead are found on their own leg", async () => {
    const [ahead] = await insertOldExecutions(db.pool, {
      count: 1,
      daysOld: -400,
      finishedDaysAgo: 8,
    });
    expect(await page()).toMatchObject({ executions: 0, last: null, more: false });
    expect(await page({ leg: "ahead" })).toMatchObject({ executions: 1, last: ahead });
  });

  test("two at once take each execution once", async () => {
    await insertOldExecutions(db.pool, {
      count: 400,
      daysOld: 9,
      finishedDaysAgo: 8,
      callsEach: 1,
    });
    const other = new pg.Pool({ connectionString: database.url, max: 1 });
    const walks = [db.pool, other].map((pool) =>
      createPurgeWalk(pool, 7 * day, { ...wide, executions: 20 }),
    );
    const taken = await Promise.all(walks.map((walk) => walkAll(walk)));
    await other.end();
    const total = taken.flatMap(({ executions }) => executions).reduce((a, b) => a + b, 0);
    expect(total).toBe(400);
    expect(await count("executions")).toBe(0);
    expect(await count("outbound_calls")).toBe(0);
    expect(await count("execution_tombstones")).toBe(400);
  });

  test("one that somebody holds is passed, and said to be due still", async () => {
    const ids = await insertOldExecutions(db.pool, { count: 3, daysOld: 9, finishedDaysAgo: 8 });
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query("BEGIN");
    await other.query("SELECT FROM executions WHERE id = $1 FOR KEY SHARE", [ids[1]]);
    expect(await page()).toMatchObject({ executions: 2, last: ids[2], more: false, dueInMs: 0 });
    await other.query("COMMIT");
    await other.end();
    expect(await page()).toMatchObject({ executions: 1 });
  });

  test("an end of the statement half way takes nothing: no execution without its tombstone", async () => {
    await insertOldExecutions(db.pool, { count: 3, daysOld: 9, finishedDaysAgo: 8, callsEach: 1 });
    await db.pool.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'no'; END $$`);
    await db.pool.query(
      "CREATE TRIGGER refuse BEFORE INSERT ON execution_tombstones FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    await expect(page()).rejects.toThrow("no");
    await db.pool.query("DROP TRIGGER refuse ON execution_tombstones");
    expect(await count("executions")).toBe(3);
    expect(await count("outbound_calls")).toBe(3);
  });
});

describe("the walk", () => {
  test("comes round for what it left only when the first of that can be due", async () => {
    await insertOldExecutions(db.pool, { count: 50, daysOld: 20 });
    await insertOldExecutions(db.pool, { count: 1, daysOld: 9, finishedDaysAgo: 8 });
    const walk = createPurgeWalk(db.pool, 60_000, { ...wide, executions: 10 });
    const first = await walkAll(walk);
    expect(first.executions.reduce((a, b) => a + b, 0)).toBe(1);
    expect(first.pages).toBeGreaterThanOrEqual(6);
    // Longer than the slack, and shorter than the time of retention. However many wait there for their start, a look
    // costs one page.
    await db.pool.query("SELECT pg_sleep(0.7)");
    expect(await walkAll(walk)).toEqual({ pages: 1, executions: [0] });
  });

  test("what is left and becomes due leaves a little later", async () => {
    // Due in half a second, and the walk has passed it before.
    const retentionMs = 30_000;
    const [id] = await insertOldExecutions(db.pool, {
      count: 1,
      daysOld: 1,
      finishedDaysAgo: (retentionMs - 500) / day,
    });
    const walk = createPurgeWalk(db.pool, retentionMs);
    expect((await walkAll(walk)).executions).not.toContain(1);
    await expect
      .poll(async () => (await walkAll(walk)).executions.includes(1), { timeout: 15_000 })
      .toBe(true);
    const { rows } = await db.pool.query("SELECT execution_id FROM execution_tombstones");
    expect(rows).toEqual([{ execution_id: id }]);
  });

  test("a page that fails is tried again with half as many", async () => {
    await insertOldExecutions(db.pool, { count: 300, daysOld: 9, finishedDaysAgo: 8 });
    await db.pool
      .query(`CREATE OR REPLACE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF (SELECT count(*) FROM many) > 100 THEN RAISE EXCEPTION 'too many'; END IF; RETURN NULL; END $$`);
    await db.pool.query(
      `CREATE TRIGGER refuse_many AFTER INSERT ON execution_tombstones REFERENCING NEW TABLE AS many
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_many()`,
    );
    const walk = createPurgeWalk(db.pool, 7 * day, { ...wide, executions: 256 });
    let failures = 0;
    let removed = 0;
    while (removed < 300) {
      const page = await walk.page().catch(() => null);
      if (page === null) failures += 1;
      removed += page?.removed.execution ?? 0;
      expect(failures).toBeLessThan(20);
    }
    await db.pool.query("DROP TRIGGER refuse_many ON execution_tombstones");
    expect(failures).toBeGreaterThanOrEqual(2);
  });

  test("a large table leaves in pages, by the primary key, and what is young is not read", async () => {
    await insertOldExecutions(db.pool, { count: 20_000, daysOld: 9, finishedDaysAgo: 8 });
    await insertOldExecutions(db.pool, { count: 20_000, daysOld: 1, finishedDaysAgo: 0.9 });
    await db.pool.query("ANALYZE executions, outbound_calls");
    const walk = createPurgeWalk(db.pool, 7 * day);
    const { pages, executions } = await walkAll(walk);
    expect(Math.max(...executions)).toBe(500);
    expect(executions.reduce((a, b) => a + b, 0)).toBe(20_000);
    expect(pages).toBeLessThanOrEqual(43);
    expect(await count("executions")).toBe(20_000);
    expect(await count("execution_tombstones")).toBe(20_000);

    await insertOldExecutions(db.pool, {
      count: 500,
      daysOld: 9,
      finishedDaysAgo: 8,
      callsEach: 1,
    });
    const { rows } = await db.pool.query(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) EXECUTE "purge-past" ('${lowest}', ${7 * day}, 0, 500, 1000, 16777216)`,
    );
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(plan).not.toMatch(/Seq Scan/);
    expect(plan).toMatch(/Index Scan using executions_pkey on executions /);
    expect(plan).toMatch(
      /Index (Only )?Scan using outbound_calls_by_execution on outbound_calls c/,
    );
    // Sorted are at most a page's rows.
    for (const [, sorted] of plan.matchAll(/Sort +\(.*actual .*rows=(\d+)/g)) {
      expect(Number(sorted)).toBeLessThanOrEqual(500);
    }
    for (const [, read] of plan.matchAll(/executions_pkey on executions .*actual .*rows=(\d+)/g)) {
      expect(Number(read)).toBeLessThanOrEqual(500);
    }
  }, 60_000);
});
