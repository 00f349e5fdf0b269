import type pg from "pg";
import { parkedConnections, releaseParked, releaseProbe } from "../executions/release-parked.ts";
import type { Signals } from "../signals/signals.ts";
import { closeCircuit, hurryCircuit } from "./probe.ts";

interface Blocked {
  id: string;
  /** null: there is no such circuit. */
  state: string | null;
  opened_revision: string | null;
  /** The connection of that name as it is now; null: none that is switched on and has a breaker. */
  revision: string | null;
}

/**
 * The net below whoever opens and closes circuits: sees to it that each parked execution has an exit, also where the
 * process died that owed it. What waits for a circuit that is closed, or for a connection that is gone, off or has no
 * breaker any more, is released; a circuit that may be tried, or whose connection was changed, gets one to try it.
 * Costs one look into an index where nothing is parked.
 * @returns how many executions became due
 */
export async function releaseStranded(pool: pg.Pool, signals: Signals): Promise<number> {
  const ids = await parkedConnections(pool);
  if (ids.length === 0) return 0;
  const { rows } = await pool.query<Blocked>({
    name: "blocked-connections",
    text: `SELECT p.id, b.state, b.connection_revision AS opened_revision,
        CASE WHEN c.is_active AND json_typeof(c.config -> 'breaker') = 'object' THEN c.revision END AS revision
      FROM unnest($1::text[]) AS p(id) LEFT JOIN connection_breakers b ON b.connection_id = p.id
      LEFT JOIN connections c ON c.id = p.id`,
    values: [ids],
  });
  let released = 0;
  for (const blocked of rows) released += await release(pool, signals, blocked);
  return released;
}

async function release(
  pool: pg.Pool,
  signals: Signals,
  { id, state, opened_revision, revision }: Blocked,
): Promise<number> {
  const isShut = state === "open" || state === "half_open";
  if (isShut && revision === null) {
    if ((await closeCircuit(pool, id)) !== null) signals.publish("breakers", id);
  } else if (isShut) {
    if (opened_revision !== revision && (await hurryCircuit(pool, id, revision ?? "")) !== null)
      signals.publish("breakers", id);
    return Number(await releaseProbe(pool, id));
  }
  return releaseParked(pool, id);
}
