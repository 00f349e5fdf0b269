import { sql } from "kysely";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import { getKey } from "./get-key.ts";

/**
 * Ends a key for good, and tells all processes: those that miss it find out within 4 s. It stays listed.
 * Revoking it again changes nothing.
 * @throws KeyNotFoundError
 */
export async function revokeKey(
  db: Database,
  signals: Pick<Signals, "publish">,
  id: string,
): Promise<void> {
  const row = await db.sql
    .updateTable("api_keys")
    .set({ revoked_at: sql<Date>`now()`, is_active: false })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .returning("id")
    .executeTakeFirst();
  if (row === undefined) await getKey(db, id);
  signals.publish("keys", id);
}
