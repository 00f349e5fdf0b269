import { expect, test } from "vitest";
import pg from "pg";
import { freshDatabase } from "../../../../test/services.ts";
import { migrate, pendingMigrations } from "./migrate.ts";

test("several at once migrate an empty database once", async () => {
  const database = await freshDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  await pool.query("DROP SCHEMA public CASCADE; DROP SCHEMA bullmq CASCADE; CREATE SCHEMA public");
  expect((await pendingMigrations(pool)).length).toBeGreaterThan(1);
  await Promise.all([migrate(database.url), migrate(database.url), migrate(database.url)]);
  expect(await pendingMigrations(pool)).toEqual([]);
  expect((await pool.query("SELECT FROM executions")).rowCount).toBe(0);
  await pool.end();
  await database.drop();
});

test("a database that a newer build has migrated is left as it is", async () => {
  const database = await freshDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  await pool.query(
    "INSERT INTO kysely_migration (name, timestamp) VALUES ('9999_from_the_future', '')",
  );
  expect(await migrate(database.url)).toEqual([]);
  await pool.end();
  await database.drop();
});
