import { forgetCircuit } from "../breakers/reset-circuit.ts";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import { ConnectionNotFoundError } from "./connection-errors.ts";

/**
 * Removes a connection with its secrets, and tells all processes.
 * @throws ConnectionNotFoundError
 */
export async function deleteConnection(
  db: Database,
  signals: Pick<Signals, "publish">,
  id: string,
): Promise<void> {
  const row = await db.sql
    .deleteFrom("connections")
    .where("id", "=", id)
    .returning("id")
    .executeTakeFirst();
  if (row === undefined) throw new ConnectionNotFoundError(id);
  signals.publish("connections", id);
  await forgetCircuit(db.pool, signals, id);
}
