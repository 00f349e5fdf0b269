import type { Database } from "@tl-engine/shared/db/database.ts";
import { connectionsOf } from "@tl-engine/shared/process/connections.ts";
import { StartError } from "./start-error.ts";

/**
 * Without Redis each engine version that is served holds a connection of its own to Postgres.
 * @throws StartError where Postgres takes fewer connections than this worker alone needs
 */
export async function checkConnections(db: Database, served: number): Promise<void> {
  const { rows } = await db.pool.query<{ max: number }>(
    "SELECT current_setting('max_connections')::int AS max",
  );
  const max = rows[0]?.max ?? Number.POSITIVE_INFINITY;
  const needed = connectionsOf("worker", served, false);
  if (needed <= max) return;
  throw new StartError(
    `Without REDIS_URL this worker needs ${needed} connections for its ${served} engine versions, and Postgres takes ${max}. Raise max_connections, set REDIS_URL, or let it serve fewer engines with TL_WORKER_ENGINES.`,
  );
}
