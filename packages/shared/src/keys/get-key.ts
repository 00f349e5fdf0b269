import type { Database } from "../db/database.ts";
import { KeyNotFoundError } from "./key-errors.ts";
import { recordColumns, recordOf, type KeyRecord } from "./key-record.ts";

/** @throws KeyNotFoundError */
export async function getKey(db: Database, id: string): Promise<KeyRecord> {
  const row = await db.sql
    .selectFrom("api_keys")
    .select(recordColumns)
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) throw new KeyNotFoundError(id);
  return recordOf(row);
}
