import type { Connection, CreateConnection } from "@tl-engine/contract";
import type { Database } from "../db/database.ts";
import type { SecretBox } from "../secrets/secret-box.ts";
import type { Signals } from "../signals/signals.ts";
import { ConnectionExistsError } from "./connection-errors.ts";
import { describeConnection, recordColumns } from "./connection-record.ts";
import { sealSecrets } from "./sealed-secrets.ts";
import { settleNew } from "./settle-connection.ts";

export interface ConnectionDeps {
  readonly db: Database;
  readonly signals: Pick<Signals, "publish">;
  /** null: no TL_SECRET_KEY. */
  readonly box: SecretBox | null;
}

/**
 * Makes a connection, and tells all processes.
 * @throws ConnectionInvalidError | ConnectionExistsError; NoSecretKeyError where it has secrets
 */
export async function createConnection(
  { db, signals, box }: ConnectionDeps,
  wanted: CreateConnection,
): Promise<Connection> {
  const { id, kind, is_active } = wanted;
  const { config, secrets } = settleNew(wanted, Date.now());
  const row = await db.sql
    .insertInto("connections")
    .values({
      id,
      kind,
      is_active,
      config: JSON.stringify(config),
      secrets: secrets && sealSecrets(id, secrets, box),
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning(recordColumns)
    .executeTakeFirst();
  if (row === undefined) throw new ConnectionExistsError(id);
  signals.publish("connections", id);
  return describeConnection(row);
}
