import { readdir, readFile } from "node:fs/promises";
import { runMigrations } from "../queue/migrate-queue.ts";
import { Kysely, PostgresDialect, sql } from "kysely";
import { Migrator, type Migration, type MigrationProvider } from "kysely/migration";
import pg from "pg";

const folder = new URL("../../../../migrations/", import.meta.url);

/** Reads `migrations/NNNN_what_it_does.sql`; each file runs in one transaction. */
const files: MigrationProvider = {
  async getMigrations() {
    const names = (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
    const migrations: Record<string, Migration> = {};
    for (const name of names) {
      const text = await readFile(new URL(name, folder), "utf8");
      migrations[name.slice(0, -4)] = { up: async (db) => void (await sql.raw(text).execute(db)) };
    }
    return migrations;
  },
};

/**
 * Brings the database to the newest schema: ours, and the queue's own in the schema `bullmq`.
 * Safe to start several times at once: one migrates, the others wait for it.
 * @returns the names of the migrations that were missing
 */
export async function migrate(connectionString: string): Promise<string[]> {
  const pool = new pg.Pool({ connectionString, max: 2, connectionTimeoutMillis: 5_000 });
  pool.on("error", () => {});
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    // A database that is newer than this build is left as it is: migrations only add, so that an older build runs on
    // it, and a deploy can be rolled back.
    const pending = await pendingMigrations(pool);
    if (pending.length > 0) {
      const { error } = await new Migrator({ db, provider: files }).migrateToLatest();
      if (error instanceof Error) throw error;
    }
    await runMigrations(pool);
    return pending;
  } finally {
    await db.destroy();
    // The query builder ends the pool only where it was used.
    if (!pool.ended) await pool.end();
  }
}

/** The migrations of this build that the database lacks. */
export async function pendingMigrations(pool: pg.Pool): Promise<string[]> {
  const known = Object.keys(await files.getMigrations());
  const exists = await pool.query<{ there: boolean }>(
    "SELECT to_regclass('kysely_migration') IS NOT NULL AS there",
  );
  if (exists.rows[0]?.there !== true) return known;
  const applied = await pool.query<{ name: string }>("SELECT name FROM kysely_migration");
  const names = new Set(applied.rows.map((row) => row.name));
  return known.filter((name) => !names.has(name));
}
