import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { Kysely, PostgresDialect } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  freshDatabase,
  startPrivatePostgres,
  type FreshDatabase,
} from "../../../../test/services.ts";
import { migrate, pendingMigrations } from "./migrate.ts";
import { migrationNames, migrationsFolder } from "./migration-files.ts";

let database: FreshDatabase;
let pool: pg.Pool;
let path: string;
let folder: URL;

beforeEach(async () => {
  database = await freshDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 3, application_name: "somebody" });
  pool.on("error", () => {});
  path = await mkdtemp(join(tmpdir(), "tl-engine-migrations-"));
  folder = pathToFileURL(`${path}/`);
});
afterEach(async () => {
  await pool.end();
  await database.drop();
  await rm(path, { recursive: true });
});

/** A folder that holds these migrations alone; those that the database has besides are of no matter. */
async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
}

const column = async (name: string): Promise<boolean> =>
  (
    await pool.query(
      "SELECT FROM information_schema.columns WHERE table_name = 'executions' AND column_name = $1",
      [name],
    )
  ).rowCount === 1;

/** null: there is no such index. */
const indexIsValid = async (name: string): Promise<boolean | null> => {
  const { rows } = await pool.query<{ valid: boolean }>(
    "SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)",
    [name],
  );
  return rows[0]?.valid ?? null;
};

const insert = (client: pg.Pool | pg.Client = pool, count = 1): Promise<unknown> =>
  client.query(
    `INSERT INTO executions (id, caller_id, engine_id, version, status, priority, max_attempts, timeout_ms, ready_at,
       expires_at, deadline_at, input)
     SELECT gen_random_uuid(), 'plane', 'echo', 1, 'queued', 1, 3, 1000, now(), now(), now(), to_json(repeat('a', 1500))
     FROM generate_series(1, $1)`,
    [count],
  );

/** A transaction that has read the record and does not end. */
async function openReader(): Promise<pg.PoolClient> {
  const client = await pool.connect();
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await client.query("SELECT count(*) FROM executions");
  return client;
}

async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what())) await delay(20);
}

test("several at once migrate an empty database once", async () => {
  await pool.query("DROP SCHEMA public CASCADE; DROP SCHEMA bullmq CASCADE; CREATE SCHEMA public");
  const all = await pendingMigrations(pool);
  expect(all.length).toBeGreaterThan(1);
  const applied = await Promise.all([1, 2, 3].map(() => migrate(database.url)));
  expect(applied.flat().sort()).toEqual(all);
  expect(await pendingMigrations(pool)).toEqual([]);
  expect((await pool.query("SELECT FROM executions")).rowCount).toBe(0);
});

test("a database that a newer build has migrated is left as it is", async () => {
  await pool.query(
    "INSERT INTO kysely_migration (name, timestamp) VALUES ('9999_from_the_future', '')",
  );
  expect(await migrate(database.url)).toEqual([]);
});

test("builds that migrate with Kysely's Migrator find what was migrated here", async () => {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  const names = await migrationNames(migrationsFolder);
  const none = { up: () => Promise.reject(new Error("run a second time")) };
  const provider = {
    getMigrations: async () => Object.fromEntries(names.map((name) => [name, none])),
  };
  const { error, results } = await new Migrator({ db, provider }).migrateToLatest();
  expect(error).toBeUndefined();
  expect(results).toEqual([]);
});

test("a file that fails leaves nothing, is named, and runs anew when it is mended", async () => {
  await write({
    "9001_a.sql": "ALTER TABLE executions ADD COLUMN a integer;",
    "9002_b.sql": "ALTER TABLE executions ADD COLUMN b integer; SELECT 1 / 0;",
  });
  await expect(migrate(database.url, { folder })).rejects.toThrow(/^migration 9002_b: .*zero/);
  expect([await column("a"), await column("b")]).toEqual([true, false]);
  await write({ "9002_b.sql": "ALTER TABLE executions ADD COLUMN b integer;" });
  expect(await migrate(database.url, { folder })).toEqual(["9002_b"]);
  expect(await column("b")).toBe(true);
});

test("while somebody holds a table, submits go on, and it is said who holds it", async () => {
  await write({ "9001_a.sql": "ALTER TABLE executions ADD COLUMN a integer;" });
  const reader = await openReader();
  const said: string[] = [];
  const migrated = migrate(database.url, { folder, onWait: (what) => void said.push(what) });
  // Also one that stands behind a waiting migration gets through before the table is let go.
  await until(async () => {
    await insert();
    return said.length >= 2;
  });
  const { rows } = await reader.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  expect(await column("a")).toBe(false);
  await reader.query("COMMIT");
  reader.release();
  await migrated;
  expect(await column("a")).toBe(true);
  expect(said[0]).toMatch(
    new RegExp(
      `^migration 9001_a waits for executions, held by ${rows[0]?.pid} \\(somebody, idle in transaction, in a transaction for \\d+ s\\); it tries again in 1000 ms$`,
    ),
  );
});

describe("an index that is made concurrently", () => {
  const index = "CREATE INDEX CONCURRENTLY executions_a ON executions (attempt);";

  test("is made once by several at once, and waits for nobody who waits for it", async () => {
    await write({
      "9001_a.concurrent.sql": `-- Two statements; a transaction would refuse them.\n${index}\nDROP INDEX CONCURRENTLY IF EXISTS executions_b;`,
      "9002_b.sql": "ALTER TABLE executions ADD COLUMN b integer;",
    });
    const reader = await openReader();
    const applied = Promise.all([1, 2, 3].map(() => migrate(database.url, { folder })));
    await until(async () => (await indexIsValid("executions_a")) === false);
    await insert();
    await reader.query("COMMIT");
    reader.release();
    expect((await applied).flat()).toEqual(["9001_a.concurrent", "9002_b"]);
    expect(await indexIsValid("executions_a")).toBe(true);
  });

  test("is dropped and made again where a run that was killed left it invalid", async () => {
    await write({ "9001_a.concurrent.sql": index });
    const reader = await openReader();
    const killed = migrate(database.url, { folder }).catch((error: unknown) => error);
    await until(async () => (await indexIsValid("executions_a")) === false);
    await pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tl-migrate' AND datname = current_database()",
    );
    expect(await killed).toBeInstanceOf(Error);
    await reader.query("COMMIT");
    reader.release();
    expect(await indexIsValid("executions_a")).toBe(false);
    expect(await pendingMigrations(pool, folder)).toEqual(["9001_a.concurrent"]);
    expect(await migrate(database.url, { folder })).toEqual(["9001_a.concurrent"]);
    expect(await indexIsValid("executions_a")).toBe(true);
  });

  test("is left where it was made, and only the record of it was lost", async () => {
    await write({ "9001_a.concurrent.sql": index });
    await pool.query(index);
    expect(await migrate(database.url, { folder })).toEqual(["9001_a.concurrent"]);
    expect(await migrate(database.url, { folder })).toEqual([]);
  });
});

test("a vacuum that runs by itself gives way", { timeout: 60_000 }, async () => {
  await write({ "9001_a.sql": "ALTER TABLE executions ADD COLUMN a integer;" });
  const server = await startPrivatePostgres();
  const client = new pg.Client({ connectionString: server.url });
  try {
    await migrate(server.url);
    await client.connect();
    await client.query("ALTER SYSTEM SET autovacuum_naptime = '1s'");
    await client.query(`ALTER TABLE executions SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
      autovacuum_vacuum_insert_threshold = 0, autovacuum_vacuum_insert_scale_factor = 0,
      autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`);
    // At this pace a minute's work and more.
    await insert(client, 3_000);
    await client.query("SELECT pg_reload_conf()");
    const vacuums = "SELECT FROM pg_stat_progress_vacuum WHERE relid = 'executions'::regclass";
    await until(async () => (await client.query(vacuums)).rowCount === 1);
    const said: string[] = [];
    await migrate(server.url, { folder, onWait: (what) => void said.push(what) });
    expect(said[0]).toMatch(/waits for executions, held by \d+ \(autovacuum worker/);
    expect(said.length).toBeLessThanOrEqual(2);
  } finally {
    await client.end();
    await server.remove();
  }
});
