import type { ChangeConnection, Connection } from "@tl-engine/contract";
import { sql, type Updateable } from "kysely";
import type { Database } from "../db/database.ts";
import { SecretUnreadableError } from "../secrets/secret-errors.ts";
import { ConnectionInvalidError, ConnectionNotFoundError } from "./connection-errors.ts";
import { describeConnection, recordColumns } from "./connection-record.ts";
import type { ConnectionDeps } from "./create-connection.ts";
import { openSecrets, sealSecrets, type ConnectionSecrets } from "./sealed-secrets.ts";
import { settleChange } from "./settle-connection.ts";
import type { ConnectionsTable } from "./table.ts";

/**
 * Changes the members that are given, and tells all processes. Of changes that come together each is made upon the one
 * before.
 * @throws ConnectionNotFoundError | ConnectionInvalidError; NoSecretKeyError where a secret has to be kept or read
 */
export async function changeConnection(
  deps: ConnectionDeps,
  id: string,
  changes: ChangeConnection,
): Promise<Connection> {
  for (;;) {
    const old = await readForChange(deps.db, id);
    const { config, secrets } = settleChange(
      old,
      changes,
      () => openKept(id, old.secrets, deps),
      Date.now(),
    );
    const values: Updateable<ConnectionsTable> = {
      config: JSON.stringify(config),
      ...(secrets === null ? {} : { secrets: sealSecrets(id, secrets, deps.box) }),
      ...(changes.is_active === undefined ? {} : { is_active: changes.is_active }),
    };
    const row = await deps.db.sql
      .updateTable("connections")
      .set({
        ...values,
        revision: sql<string>`nextval('connection_revisions')`,
        updated_at: sql<Date>`now()`,
      })
      .where("id", "=", id)
      // Somebody else's change may have come in between; a rotation of the key is none.
      .where("revision", "=", old.revision)
      .returning(recordColumns)
      .executeTakeFirst();
    if (row !== undefined) {
      deps.signals.publish("connections", id);
      return describeConnection(row);
    }
  }
}

async function readForChange(db: Database, id: string) {
  const row = await db.sql
    .selectFrom("connections")
    .select(["kind", "config", "secrets", "revision"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) throw new ConnectionNotFoundError(id);
  return row;
}

/** Secrets that cannot be read cannot stay; whoever gives them all anew does not need them. */
function openKept(
  id: string,
  envelope: string | null,
  { box }: Pick<ConnectionDeps, "box">,
): ConnectionSecrets {
  try {
    return openSecrets(id, envelope, box);
  } catch (error) {
    if (!(error instanceof SecretUnreadableError)) throw error;
    const detail = `keeps a secret that cannot be read. ${error.message} Or give all secrets of auth and tls in this change.`;
    throw new ConnectionInvalidError([{ pointer: "", detail }]);
  }
}
