import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { registerProcess } from "./registry.ts";

let database: FreshDatabase;
let db: Database;

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({
    url: database.url,
    max: 3,
    applicationName: "tl-test",
    onError: () => {},
  });
});
afterAll(async () => {
  if (db !== undefined) await closeDatabase(db);
  await database?.drop();
});

test("a process that was forgotten comes back whole, also when that fails midway", async () => {
  const errors: unknown[] = [];
  const registration = await registerProcess(db, {
    kind: "worker",
    leaseMs: 60_000,
    onError: (error) => void errors.push(error),
  });
  let lost = 0;
  registration.onLost(() => {
    lost += 1;
  });
  await registration.serve([{ engineId: "echo", version: 1, slots: 10 }]);
  const served = async () =>
    (
      await db.pool.query("SELECT slots FROM process_engines WHERE process_id = $1", [
        registration.id,
      ])
    ).rows;
  expect(await served()).toEqual([{ slots: 10 }]);

  await db.pool.query("DELETE FROM processes WHERE id = $1", [registration.id]);
  await db.pool.query(
    "ALTER TABLE process_engines ADD CONSTRAINT none CHECK (slots = 0) NOT VALID",
  );
  await expect(registration.renewLease()).rejects.toThrow();
  await db.pool.query("ALTER TABLE process_engines DROP CONSTRAINT none");
  await registration.renewLease();
  expect(await served()).toEqual([{ slots: 10 }]);
  expect(lost).toBe(1);
  await registration.renewLease();
  expect(lost).toBe(1);
  await registration.close();
  expect(errors).toEqual([]);
});
