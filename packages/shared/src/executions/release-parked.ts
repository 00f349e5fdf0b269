import type pg from "pg";
import { maxIdleMs } from "./state.ts";

/** Most rows that one statement releases. */
const pageSize = 1_000;

/** How long a released execution has to try the circuit before another one is released as well, ms. */
const probeStartMs = 10_000;

/** What waits for a circuit, by the index that has nothing else. */
const parked = `e.status = 'queued' AND e.wait_reason = 'circuit_open' AND e.due_at IS NULL`;

// In the order of the index, so that it is read from its begin and not sorted.
const first = `ORDER BY e.blocked_by, e.attempt_ended_at, e.id LIMIT 1`;

// Due since it was parked, so that make-ready takes them in that order; and the wait is over that the deadline was for.
const released = `due_at = e.attempt_ended_at,
  deadline_at = greatest(e.deadline_at, now() + ${maxIdleMs} * interval '1 millisecond')`;

/** What an execution says that it is blocked by. */
export function blockedByOf(connectionId: string): string {
  return `connection:${connectionId}`;
}

/**
 * Makes all executions due that were parked for a connection's circuit, the first parked the first, as long as the circuit
 * is closed. Any process may do it, several at once too.
 * @returns how many
 */
export async function releaseParked(pool: pg.Pool, connectionId: string): Promise<number> {
  for (let total = 0; ;) {
    const { rowCount } = await pool.query({
      name: "release-parked",
      text: `WITH parked AS MATERIALIZED (
          SELECT e.id FROM executions e WHERE e.blocked_by = $1 AND ${parked}
            AND NOT EXISTS (SELECT FROM connection_breakers b WHERE b.connection_id = $2 AND b.state <> 'closed')
          ORDER BY e.attempt_ended_at, e.id LIMIT ${pageSize} FOR UPDATE SKIP LOCKED)
        UPDATE executions e SET ${released} FROM parked WHERE e.id = parked.id`,
      values: [blockedByOf(connectionId), connectionId],
    });
    total += rowCount ?? 0;
    if ((rowCount ?? 0) < pageSize) return total;
  }
}

/** Who may try a circuit that is not closed: once its time is over, or the one that tried it is lost. */
export const mayBeTried = `((b.state = 'open' AND b.retry_at <= now()) OR (b.state = 'half_open' AND b.probe_until <= now()))`;

/**
 * Makes the execution due that was parked first for a connection's circuit, once it is time to try it: one at a time, and
 * another one when that has not tried it within 10 s.
 * @returns whether one is due now
 */
export async function releaseProbe(pool: pg.Pool, connectionId: string): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: "release-probe",
    text: `WITH turn AS (
        UPDATE connection_breakers b SET released_until = now() + ${probeStartMs} * interval '1 millisecond'
        WHERE b.connection_id = $2 AND ${mayBeTried} AND coalesce(b.released_until <= now(), true)
          AND EXISTS (SELECT FROM executions e WHERE e.blocked_by = $1 AND ${parked})
        RETURNING b.connection_id
      ), oldest AS MATERIALIZED (
        SELECT e.id FROM executions e WHERE e.blocked_by = $1 AND ${parked} AND EXISTS (SELECT FROM turn)
        ORDER BY e.attempt_ended_at, e.id LIMIT 1 FOR UPDATE SKIP LOCKED)
      UPDATE executions e SET ${released} FROM oldest WHERE e.id = oldest.id`,
    values: [blockedByOf(connectionId), connectionId],
  });
  return rowCount === 1;
}

/** The connections for whose circuits something is parked: one look into an index where there are none. */
export async function parkedConnections(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "parked-connections",
    text: `WITH RECURSIVE blocked AS (
        SELECT (SELECT e.blocked_by FROM executions e WHERE ${parked} AND e.blocked_by > '' ${first}) AS by
        UNION ALL
        SELECT (SELECT e.blocked_by FROM executions e WHERE ${parked} AND e.blocked_by > blocked.by ${first})
        FROM blocked WHERE blocked.by IS NOT NULL
      ) SELECT substr(blocked.by, length('connection:') + 1) AS id FROM blocked WHERE blocked.by IS NOT NULL`,
  });
  return rows.map(({ id }) => id);
}
