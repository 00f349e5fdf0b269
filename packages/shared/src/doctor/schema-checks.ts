import { readdir } from "node:fs/promises";
import type pg from "pg";
import { pendingMigrations } from "../db/migrate.ts";
import { error, ok, warning, type Finding } from "./finding.ts";

const folder = new URL("../../../../migrations/", import.meta.url);

/** Whether the database has the schema of this build. */
export async function checkSchema(pool: pg.Pool): Promise<Finding[]> {
  const pending = await pendingMigrations(pool);
  if (pending.length > 0) {
    return [
      error(
        "postgres.migrations",
        `${pending.length} migrations are missing`,
        `${pending.join(", ")}; processes of this build wait for them`,
        "npm run migrate",
      ),
    ];
  }
  const newer = await newerMigrations(pool);
  if (newer.length > 0) {
    return [
      warning(
        "postgres.migrations",
        "The database is newer than this build",
        `it has ${newer.join(", ")}; migrations only add, so this build works on it, as in a rollback`,
        "git pull && npm ci   # or deploy the newer build",
      ),
    ];
  }
  return [ok("postgres.migrations", "The schema is this build's")];
}

async function newerMigrations(pool: pg.Pool): Promise<string[]> {
  const names = await readdir(folder);
  const last = names
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .at(-1);
  const { rows } = await pool.query<{ name: string }>(
    "SELECT name FROM kysely_migration ORDER BY 1",
  );
  const number = (name: string) => Number(name.slice(0, 4));
  return rows.map(({ name }) => name).filter((name) => number(name) > number(last ?? "0000"));
}
