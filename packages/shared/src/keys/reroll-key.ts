import { maxOverlapMs } from "@tl-engine/contract";
import { sql } from "kysely";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import type { KeyWithItsSecret } from "./create-key.ts";
import { getKey } from "./get-key.ts";
import { KeyRevokedError } from "./key-errors.ts";
import { makeKey } from "./key-format.ts";
import { recordColumns, recordOf } from "./key-record.ts";

/**
 * Gives a record another secret; its executions, idempotency keys and counters stay. The secret that it had
 * is taken for `overlapMs` longer (0: ends now), and one from a reroll before that ends now.
 * @param overlapMs at most 7 days
 * @throws KeyNotFoundError | KeyRevokedError | RangeError for a longer overlap
 */
export async function rerollKey(
  db: Database,
  signals: Pick<Signals, "publish">,
  id: string,
  overlapMs = 0,
): Promise<KeyWithItsSecret> {
  if (overlapMs < 0 || overlapMs > maxOverlapMs) throw new RangeError("overlap is at most 7d");
  const made = makeKey(id);
  const row = await db.sql
    .updateTable("api_keys")
    .set((column) => ({
      secret_hash: made.secretHash,
      last_four: made.lastFour,
      previous_secret_hash: overlapMs > 0 ? column.ref("secret_hash") : null,
      previous_ends_at:
        overlapMs > 0 ? sql<Date>`now() + ${overlapMs}::float8 * interval '1 ms'` : null,
    }))
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .returning(recordColumns)
    .executeTakeFirst();
  if (row === undefined) throw new KeyRevokedError((await getKey(db, id)).id);
  signals.publish("keys", id);
  return { record: recordOf(row), key: made.key };
}
