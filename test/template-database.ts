import { migrate } from "@tl-engine/shared/db/migrate.ts";
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
  await migrate(urlOf(templateName));
  await runSql(urlOf("postgres"), `ALTER DATABASE ${templateName} WITH ALLOW_CONNECTIONS false`);
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
