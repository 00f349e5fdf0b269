import type pg from "pg";
import type { Enqueuer } from "./enqueuer.ts";
import { readyColumns, type ReadyRow } from "./ready.ts";

/** Most rows that one statement makes ready. */
const pageSize = 1_000;

/**
 * Makes scheduled and waiting executions whose time has come ready, and enqueues them. Any process may do it, several
 * at once too.
 * @returns how many became ready
 */
export async function makeDueReady(pool: pg.Pool, enqueuer: Enqueuer): Promise<number> {
  let total = 0;
  for (;;) {
    const ticket = enqueuer.open();
    let rows: ReadyRow[];
    try {
      ({ rows } = await pool.query<ReadyRow>({
        name: "make-due-ready",
        // Chosen once, and then found by id: as a condition it might be asked again for every row that is due.
        text: `WITH due AS MATERIALIZED (
            SELECT d.id FROM executions d WHERE d.due_at <= now() AND d.status IN ('scheduled', 'queued')
            ORDER BY d.due_at LIMIT ${pageSize} FOR UPDATE SKIP LOCKED)
          UPDATE executions e SET status = 'queued', ready_at = now(), due_at = NULL, wait_reason = NULL, enqueuer = $1
          FROM due WHERE e.id = due.id
          RETURNING ${readyColumns}`,
        values: [enqueuer.processId],
      }));
    } catch (error) {
      enqueuer.drop(ticket, "unknown");
      throw error;
    }
    total += rows.length;
    void enqueuer.enqueue(ticket, rows);
    if (rows.length < pageSize) return total;
  }
}

/** How long until the next execution is due, ms; null where none waits for a time. */
export async function nextDueInMs(pool: pg.Pool): Promise<number | null> {
  const { rows } = await pool.query<{ ms: number | null }>({
    name: "next-due",
    text: `SELECT extract(epoch FROM min(due_at) - now())::float8 * 1000 AS ms FROM executions WHERE due_at IS NOT NULL`,
  });
  return rows[0]?.ms ?? null;
}

// Found by id: the roundabout words keep the planner from walking a partial index instead.
/**
 * Moves a retry that was held back until its old host is gone forward: it is due `delayMs` from now.
 * @param items executions and the dispatch that their settlement left them with
 */
export async function releaseRetries(
  pool: pg.Pool,
  items: readonly { id: string; dispatch: number; delayMs: number }[],
): Promise<void> {
  if (items.length === 0) return;
  await pool.query(
    `UPDATE executions e SET due_at = least(e.due_at, now() + r.delay_ms * interval '1 millisecond')
     FROM unnest($1::uuid[], $2::int[], $3::float8[]) AS r(id, dispatch, delay_ms)
     WHERE e.id = r.id AND e.dispatch = r.dispatch AND e.status || '' = 'queued'
       AND e.due_at + interval '0' IS NOT NULL`,
    [
      items.map((item) => item.id),
      items.map((item) => item.dispatch),
      items.map((item) => item.delayMs),
    ],
  );
}
