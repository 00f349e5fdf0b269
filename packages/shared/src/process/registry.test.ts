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

test("what a worker serves no more leaves the record, and nobody else's does", async () => {
  const options = { kind: "worker", leaseMs: 60_000, onError: () => {} } as const;
  const [one, other] = await Promise.all([
    registerProcess(db, options),
    registerProcess(db, options),
  ]);
  const served = async (id: string) =>
    (
      await db.pool.query<{ name: string }>(
        "SELECT engine_id || '@' || version || '/' || slots AS name FROM process_engines WHERE process_id = $1 ORDER BY 1",
        [id],
      )
    ).rows.map(({ name }) => name);
  const [a1, a2, b1] = [
    { engineId: "a", version: 1, slots: 10 },
    { engineId: "a", version: 2, slots: 10 },
    { engineId: "b", version: 1, slots: 10 },
  ];
  for (const process of [one, other]) await process.serve([a1, a2, b1]);
  await one.serve([{ ...a2, slots: 3 }, b1]);
  expect(await served(one.id)).toEqual(["a@2/3", "b@1/10"]);
  await one.serve([]);
  expect(await served(one.id)).toEqual([]);
  expect(await served(other.id)).toEqual(["a@1/10", "a@2/10", "b@1/10"]);
  for (const process of [one, other]) await process.close();
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
