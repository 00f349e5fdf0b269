import type pg from "pg";
import { mayBeTried } from "../executions/release-parked.ts";
import {
  circuitColumns,
  circuitOf,
  type BreakingConnection,
  type Circuit,
  type CircuitRow,
} from "./circuit.ts";
import { noCounts } from "./count-outcomes.ts";

const noProbe = `released_until = NULL, probe_id = NULL, probe_execution_id = NULL, probe_until = NULL`;
const closes = `state = 'closed', generation = b.generation + 1, changed_at = now(), calls = ${noCounts}, failures = ${noCounts},
  opened_at = NULL, openings = 0, open_ms = 0, retry_at = NULL, connection_revision = NULL, ${noProbe}`;

/**
 * Takes the one permit to try a circuit, if it is time for it and nobody else has it.
 * @param probeId a new uuid
 * @param leaseMs when the permit is given to another one, unless it is renewed
 */
export async function takeProbe(
  pool: pg.Pool,
  connectionId: string,
  probeId: string,
  executionId: string,
  leaseMs: number,
): Promise<Circuit | null> {
  return change(
    pool,
    "take-probe",
    `state = 'half_open', generation = b.generation + 1, changed_at = now(), probe_id = $2, probe_execution_id = $3,
       probe_until = now() + $4 * interval '1 millisecond'`,
    mayBeTried,
    [connectionId, probeId, executionId, leaseMs],
  );
}

/** Keeps the permits of calls that are still under way. */
export async function renewProbes(
  pool: pg.Pool,
  probeIds: readonly string[],
  leaseMs: number,
): Promise<void> {
  await pool.query({
    name: "renew-probes",
    text: `UPDATE connection_breakers SET probe_until = now() + $2 * interval '1 millisecond'
      WHERE state = 'half_open' AND probe_id = ANY($1::uuid[])`,
    values: [probeIds, leaseMs],
  });
}

/**
 * Says what came of the call that tried a circuit. `success` closes it; `failure` opens it for twice as long as before, up
 * to the policy's longest; `ignored` leaves it to be tried by the next one at once.
 * @returns null where the permit was somebody else's by then, and nothing was changed
 */
export async function endProbe(
  pool: pg.Pool,
  { id, breaker }: BreakingConnection,
  probeId: string,
  outcome: "success" | "failure" | "ignored",
): Promise<Circuit | null> {
  const held = `b.state = 'half_open' AND b.probe_id = $2`;
  if (outcome === "success") return change(pool, "probe-succeeded", closes, held, [id, probeId]);
  if (outcome === "ignored") {
    const opens = `state = 'open', generation = b.generation + 1, changed_at = now(), retry_at = now(), ${noProbe}`;
    return change(pool, "probe-ignored", opens, held, [id, probeId]);
  }
  const openMs = `least($4::float8, greatest($3::float8, b.open_ms * 2))`;
  return change(
    pool,
    "probe-failed",
    `state = 'open', generation = b.generation + 1, changed_at = now(), openings = b.openings + 1, open_ms = ${openMs},
       retry_at = now() + ${openMs} * interval '1 millisecond', ${noProbe}`,
    held,
    [id, probeId, breaker.openMs, breaker.maxOpenMs],
  );
}

/** Closes a circuit whatever came of calls: an operator says so, or nothing is behind it any more. */
export async function closeCircuit(pool: pg.Pool, connectionId: string): Promise<Circuit | null> {
  return change(pool, "close-circuit", closes, `b.state <> 'closed'`, [connectionId]);
}

/** Forgets all that was counted: who gets its connection's id next has nothing to do with it. */
export async function forgetCounts(pool: pg.Pool, connectionId: string): Promise<Circuit | null> {
  return change(pool, "forget-counts", closes, "true", [connectionId]);
}

/** Lets an open circuit be tried at once: its connection was changed since it opened. */
export async function hurryCircuit(
  pool: pg.Pool,
  connectionId: string,
  revision: string,
): Promise<Circuit | null> {
  return change(
    pool,
    "hurry-circuit",
    `retry_at = now(), open_ms = 0, released_until = NULL, connection_revision = $2, generation = b.generation + 1`,
    `b.state = 'open' AND b.connection_revision IS DISTINCT FROM $2`,
    [connectionId, revision],
  );
}

async function change(
  pool: pg.Pool,
  name: string,
  set: string,
  where: string,
  values: unknown[],
): Promise<Circuit | null> {
  const { rows } = await pool.query<CircuitRow>({
    name,
    text: `UPDATE connection_breakers b SET ${set} WHERE b.connection_id = $1 AND ${where} RETURNING ${circuitColumns}`,
    values,
  });
  return rows[0] === undefined ? null : circuitOf(rows[0]);
}
