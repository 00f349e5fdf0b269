import type pg from "pg";

export interface PendingRows {
  engineId: string;
  count: number;
  /** Over so many callers, `key:0` and on, in turn. */
  callers?: number;
  callerId?: string;
  /** As it stands in the record: 1 is high. */
  priority?: number;
}

/** Records executions that wait for their turn, by one statement: a backlog that nobody knows of yet. */
export async function recordPending(
  pool: pg.Pool,
  { engineId, count, callers = 1, callerId, priority = 2 }: PendingRows,
): Promise<void> {
  await pool.query(
    `INSERT INTO executions (id, caller_id, engine_id, version, status, priority, max_attempts, timeout_ms, wait_reason,
       waiting_since, expires_at, deadline_at, input)
     SELECT uuidv7(), coalesce($3::text, 'key:' || g % $4::int), $1, 1, 'queued', $5::int, 3, 60000, 'dispatch_pending', now(),
       now() + interval '1 day', now() + interval '1 day', '{"a":1}'
     FROM generate_series(1, $2::int) AS g`,
    [engineId, count, callerId ?? null, callers, priority],
  );
}
