import type { Connection } from "@tl-engine/contract";
import type { Database } from "../db/database.ts";
import { ConnectionNotFoundError } from "./connection-errors.ts";
import { describeConnection, recordColumns } from "./connection-record.ts";

/**
 * A connection as it is shown.
 * @throws ConnectionNotFoundError
 */
export async function getConnection(db: Database, id: string): Promise<Connection> {
  const row = await db.sql
    .selectFrom("connections")
    .select(recordColumns)
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) throw new ConnectionNotFoundError(id);
  return describeConnection(row);
}
