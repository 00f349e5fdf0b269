import type pg from "pg";
import { releaseParked } from "../executions/release-parked.ts";
import type { Signals } from "../signals/signals.ts";
import { closeCircuit, forgetCounts } from "./probe.ts";

/**
 * Closes a circuit because an operator says so, and releases what waits for it. Where it was closed already, nothing
 * happens.
 * @returns how many executions were released; they start within a second
 */
export async function resetCircuit(
  pool: pg.Pool,
  signals: Signals,
  connectionId: string,
): Promise<number> {
  if ((await closeCircuit(pool, connectionId)) !== null) signals.publish("breakers", connectionId);
  return releaseParked(pool, connectionId);
}

/** The same for a connection that was removed: one that is made by its name starts with no count of the old one's calls. */
export async function forgetCircuit(
  pool: pg.Pool,
  signals: Pick<Signals, "publish">,
  connectionId: string,
): Promise<void> {
  if ((await forgetCounts(pool, connectionId)) !== null) signals.publish("breakers", connectionId);
  await releaseParked(pool, connectionId);
}
