import type pg from "pg";
import { releaseParked } from "../executions/release-parked.ts";
import type { Signals } from "../signals/signals.ts";
import { closeCircuit } from "./probe.ts";

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
