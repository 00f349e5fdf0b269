import type { Database } from "../db/database.ts";
import { inTransaction } from "../db/transaction.ts";
import type { Signals } from "../signals/signals.ts";
import { EngineInUseError, RemoteEngineNotFoundError } from "./remote-engine-errors.ts";

/**
 * Removes a remote engine from the catalogue, and tells all processes. Its finished executions stay.
 * @param version null: all its versions, or none of them
 * @throws RemoteEngineNotFoundError; EngineInUseError while unfinished executions hold one
 */
export async function removeRemoteEngine(
  { pool }: Database,
  signals: Pick<Signals, "publish">,
  { id, version }: { id: string; version: number | null },
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const values = [id, version];
    const { rows } = await client.query(
      `SELECT version FROM remote_engines WHERE engine_id = $1 AND ($2::int IS NULL OR version = $2) ORDER BY version FOR UPDATE`,
      values,
    );
    if (rows.length === 0) {
      throw new RemoteEngineNotFoundError(version === null ? id : `${id}@${version}`);
    }
    const held = await client.query<{ version: number; unfinished: number }>(
      `SELECT c.version, sum(c.queued + c.scheduled + c.running)::float8 AS unfinished FROM engine_counters c
       JOIN remote_engines r ON r.engine_id = c.engine_id AND r.version = c.version
       WHERE c.engine_id = $1 AND ($2::int IS NULL OR c.version = $2)
       GROUP BY c.version HAVING sum(c.queued + c.scheduled + c.running) > 0 ORDER BY c.version`,
      values,
    );
    if (held.rows.length > 0) throw new EngineInUseError(held.rows, id);
    await client.query(
      `DELETE FROM engine_versions v USING remote_engines r WHERE r.engine_id = $1 AND ($2::int IS NULL OR r.version = $2)
         AND v.engine_id = r.engine_id AND v.version = r.version`,
      values,
    );
    await client.query(
      "DELETE FROM remote_engines WHERE engine_id = $1 AND ($2::int IS NULL OR version = $2)",
      values,
    );
  });
  signals.publish("catalogue", id);
}
