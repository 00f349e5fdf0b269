import type { ChangeKey } from "@tl-engine/contract";
import type { Updateable } from "kysely";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import { getKey } from "./get-key.ts";
import { KeyRevokedError } from "./key-errors.ts";
import { rateColumns, recordColumns, recordOf, type KeyRecord } from "./key-record.ts";
import type { ApiKeysTable } from "./table.ts";

/**
 * Changes the members that are given, and tells all processes.
 * @throws KeyNotFoundError | KeyRevokedError
 */
export async function changeKey(
  db: Database,
  signals: Pick<Signals, "publish">,
  id: string,
  changes: ChangeKey,
): Promise<KeyRecord> {
  const row = await db.sql
    .updateTable("api_keys")
    // An update needs a column; a change of nothing still says whether the key was revoked.
    .set({ id, ...columnsOf(changes) })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .returning(recordColumns)
    .executeTakeFirst();
  if (row === undefined) throw new KeyRevokedError((await getKey(db, id)).id);
  signals.publish("keys", id);
  return recordOf(row);
}

function columnsOf(changes: ChangeKey): Updateable<ApiKeysTable> {
  const { name, scopes, engines, rate_limit, expires_at, is_active } = changes;
  return {
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes: [...new Set(scopes)] }),
    ...(engines === undefined ? {} : { engines: engines && [...new Set(engines)] }),
    ...(rate_limit === undefined ? {} : rateColumns(rate_limit)),
    ...(expires_at === undefined ? {} : { expires_at: expires_at ? new Date(expires_at) : null }),
    ...(is_active === undefined ? {} : { is_active }),
  };
}
