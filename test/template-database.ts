import { Client } from "pg";

/** The database that `freshDatabase` copies: migrated, empty, closed to sessions (a copy needs that). */
export const templateName = "tl_engine_template";

/**
 * Makes the template once per run.
 *
 * @param urlOf connection string of a database of the run's server
 */
export async function makeTemplate(urlOf: (database: string) => string): Promise<void> {
  await runSql(urlOf("postgres"), `CREATE DATABASE ${templateName}`);
  await migrateIfThere(urlOf(templateName));
  await runSql(urlOf("postgres"), `ALTER DATABASE ${templateName} WITH ALLOW_CONNECTIONS false`);
}

/** SWITCH: remove with the first version of shared/db/migrate.ts, and import it above instead. */
async function migrateIfThere(url: string): Promise<void> {
  const { existsSync } = await import("node:fs");
  const file = new URL("../packages/shared/src/db/migrate.ts", import.meta.url);
  if (!existsSync(file)) return;
  try {
    const { migrate } = (await import(file.href)) as { migrate(url: string): Promise<void> };
    await migrate(url);
  } catch (error) {
    console.warn(`The template database is empty: ${String(error)}`);
  }
}

/** Runs one statement in a session of its own. */
export async function runSql<Row extends object>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
