import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { runMigrations } from "../queue/migrate-queue.ts";
import { createLockWatch } from "./lock-watch.ts";
import { migrationNames, migrationsFolder, readMigration } from "./migration-files.ts";
import { runMigration } from "./run-migration.ts";

export interface MigrateOptions {
  /** Where the files lie; this build's own where it is left out. */
  folder?: URL;
  /** Hears, in a sentence, what is waited for: another migrator, or somebody's lock. */
  onWait?: (what: string) => void;
}

/** The lock that Kysely's Migrator takes, with which earlier builds migrated: no two of any build at once. */
const lockId = "3853314791062309107";
const sessionSettings = [
  // An index may take hours to build, and the lock is held by doing nothing.
  "statement_timeout=0",
  "idle_session_timeout=0",
  "lock_timeout=0",
  // The host of a migrator that is gone says nothing: its lock shall not stay for hours.
  "tcp_keepalives_idle=15",
  "tcp_keepalives_interval=5",
  "tcp_keepalives_count=3",
];
const lockEveryMs = 200;
const sayEveryMs = 10_000;

/**
 * Brings the database to the newest schema: ours, and the queue's own in the schema `bullmq`.
 * Safe to start several times at once (one migrates, the others wait for it), and to kill and start again at any moment.
 * Waits without end for locks, in steps that do not stop submits: see {@link runMigration}.
 *
 * A database that a newer build has migrated is left as it is: migrations only add, so that an older build runs on it,
 * and a deploy can be rolled back.
 * @returns the names of the migrations that were missing
 */
export async function migrate(
  connectionString: string,
  { folder = migrationsFolder, onWait = () => {} }: MigrateOptions = {},
): Promise<string[]> {
  const connect = (): Promise<pg.Client> => open(connectionString);
  const client = await connect();
  const watch = createLockWatch(connect);
  try {
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const context = { client, pid: rows[0]?.pid ?? 0, watch, onWait };
    await lock(client, onWait);
    await client.query(
      "CREATE TABLE IF NOT EXISTS kysely_migration (name varchar(255) PRIMARY KEY, timestamp varchar(255) NOT NULL)",
    );
    const pending = await pendingMigrations(client, folder);
    for (const name of pending) {
      const migration = await readMigration(folder, name);
      await runMigration(context, migration).catch((error: unknown) => {
        if (error instanceof Error) error.message = `migration ${name}: ${error.message}`;
        throw error;
      });
    }
    await runMigrations(client);
    return pending;
  } finally {
    await watch.close();
    // The lock goes with the session.
    await client.end();
  }
}

/** The migrations of this build that the database lacks. */
export async function pendingMigrations(
  client: pg.Pool | pg.Client,
  folder: URL = migrationsFolder,
): Promise<string[]> {
  const known = await migrationNames(folder);
  const exists = await client.query<{ there: boolean }>(
    "SELECT to_regclass('kysely_migration') IS NOT NULL AS there",
  );
  if (exists.rows[0]?.there !== true) return known;
  const applied = await client.query<{ name: string }>("SELECT name FROM kysely_migration");
  const names = new Set(applied.rows.map((row) => row.name));
  return known.filter((name) => !names.has(name));
}

async function open(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: 5_000,
    application_name: "tl-migrate",
    keepAlive: true,
    options: sessionSettings.map((setting) => `-c ${setting}`).join(" "),
  });
  // A lost connection also fails the statement that runs.
  client.on("error", () => {});
  await client.connect();
  // Of a killed migrator the server shall not go on for long. Not every system that Postgres runs on can do that.
  await client.query("SET client_connection_check_interval = '1s'").catch(() => {});
  return client;
}

/**
 * Asks again and again: whoever waits for the lock inside a statement holds a snapshot meanwhile, for which
 * `CREATE INDEX CONCURRENTLY` of the one that has the lock would wait in turn.
 */
async function lock(client: pg.Client, onWait: (what: string) => void): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += lockEveryMs) {
    const { rows } = await client.query<{ locked: boolean }>(
      "SELECT pg_try_advisory_lock($1) AS locked",
      [lockId],
    );
    if (rows[0]?.locked === true) return;
    if (waitedMs % sayEveryMs === 0) onWait("another migrator is at work; this one waits for it");
    await sleep(lockEveryMs);
  }
}
