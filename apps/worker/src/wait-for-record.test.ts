import { closeDatabase, openDatabase } from "@tl-engine/shared/db/database.ts";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import { expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { waitForRecord } from "./wait-for-record.ts";

test("while migrations are missing it says so and nothing else", async () => {
  const database = await freshDatabase();
  const onError = (error: Error): void => expect.fail(error.message);
  const db = openDatabase({ url: database.url, max: 1, applicationName: "test", onError });
  try {
    await db.pool.query(
      "DROP SCHEMA public CASCADE; DROP SCHEMA bullmq CASCADE; CREATE SCHEMA public",
    );
    const reasons: string[] = [];
    const heard = Promise.withResolvers<void>();
    const onWait = (reason: string): void => {
      reasons.push(reason);
      if (reasons.length === 3) heard.resolve();
    };
    const there = waitForRecord(db, onWait, AbortSignal.any([]));
    await heard.promise;
    await migrate(database.url);
    await there;
    expect(reasons[0]).toBe("postgres");
    expect(new Set(reasons.slice(1))).toEqual(new Set(["migrations"]));
  } finally {
    await closeDatabase(db);
    await database.drop();
  }
});
