import type pg from "pg";
import type { Backlog } from "./backlog.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { readyColumns, type ReadyRow } from "./ready.ts";
import { unseenWindow } from "./window.ts";

/** Most rows that one statement makes ready. */
const pageSize = 1_000;

// The rows are chosen once, and then found by id: as a condition it might be asked again for every row that is due. Of a
// full page none goes ahead: with so many due at once, and perhaps several processes at it, those are brought in that
// have room.
const statement = `
WITH due AS MATERIALIZED (
  SELECT d.id, d.engine_id, d.version, d.due_at FROM executions d
  WHERE d.due_at <= now() AND d.status IN ('scheduled', 'queued')
  ORDER BY d.due_at, d.id LIMIT ${pageSize} FOR UPDATE SKIP LOCKED
), room AS MATERIALIZED (
  SELECT v.engine_id, v.version, (SELECT CASE WHEN sum(c.pending) > 0 THEN 0
      ELSE coalesce(w.most, ${unseenWindow}) - coalesce(sum(c.ready), 0) END
    FROM engine_counters c WHERE c.engine_id = v.engine_id AND c.version = v.version) AS room
  FROM (SELECT DISTINCT engine_id, version FROM due) AS v
  LEFT JOIN unnest($2::text[], $3::int[], $4::int[]) AS w(engine_id, version, most)
    ON w.engine_id = v.engine_id AND w.version = v.version
), placed AS MATERIALIZED (
  SELECT due.id, (SELECT count(*) FROM due) < ${pageSize}
    AND row_number() OVER (PARTITION BY due.engine_id, due.version ORDER BY due.due_at, due.id) <= room.room AS goes,
    row_number() OVER (ORDER BY due.due_at, due.id)::int AS nth
  FROM due JOIN room ON room.engine_id = due.engine_id AND room.version = due.version
)
UPDATE executions e SET status = 'queued', due_at = NULL, blocked_by = NULL, enqueuer = $1, ready_at = CASE WHEN p.goes THEN now() END,
  wait_reason = CASE WHEN NOT p.goes THEN 'dispatch_pending' END, waiting_since = CASE WHEN NOT p.goes THEN now() END
FROM placed p WHERE e.id = p.id
RETURNING ${readyColumns}, p.nth`;

/**
 * Makes scheduled and waiting executions whose time has come ready, and enqueues them. Any process may do it, several
 * at once too. What is more than may be ahead in the queue waits for its turn instead.
 * @returns how many of them were due
 */
export async function makeDueReady(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  backlog: Backlog,
): Promise<number> {
  let total = 0;
  for (;;) {
    const ticket = enqueuer.open();
    let rows: (Omit<ReadyRow, "ready_at"> & { ready_at: Date | null; nth: number })[];
    const windows = backlog.windows();
    try {
      ({ rows } = await pool.query({
        name: "make-due-ready",
        text: statement,
        values: [
          enqueuer.processId,
          windows.map(({ engineId }) => engineId),
          windows.map(({ version }) => version),
          windows.map(({ most }) => most),
        ],
      }));
    } catch (error) {
      enqueuer.drop(ticket, "unknown");
      throw error;
    }
    total += rows.length;
    // The first due goes first, however Postgres went through them.
    rows.sort((a, b) => a.nth - b.nth);
    void enqueuer.enqueue(
      ticket,
      rows.filter((row): row is (typeof rows)[number] & ReadyRow => row.ready_at !== null),
    );
    backlog.placed(
      rows.map((row) => ({
        engineId: row.engine_id,
        version: row.version,
        waits: row.ready_at === null,
      })),
    );
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
