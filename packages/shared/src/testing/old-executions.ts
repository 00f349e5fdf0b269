import type pg from "pg";

export interface OldExecutions {
  count: number;
  /** Days since they were made, by their ids and by the record. */
  daysOld: number;
  /** Left out: unfinished, waiting for its start in a month. */
  finishedDaysAgo?: number;
  callerId?: string;
  engineId?: string;
  callsEach?: number;
  /** Bytes of each output. */
  outputBytes?: number;
}

/** Writes executions of the past into the record, as no path of ours could. @returns their ids, oldest first */
export async function insertOldExecutions(pool: pg.Pool, old: OldExecutions): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH made AS (
       INSERT INTO executions (id, caller_id, engine_id, version, status, priority, max_attempts, timeout_ms, created_at,
         due_at, expires_at, deadline_at, started_at, attempt_started_at, attempt_ended_at, finished_at, attempt, input, output)
       SELECT (lpad(to_hex(((extract(epoch FROM now()) - $2::float8 * 86400) * 1000)::bigint + n), 12, '0') || '7'
           || substr(md5(n::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
         $4, $5, 1, CASE WHEN $3::float8 IS NULL THEN 'scheduled' ELSE 'succeeded' END, 2, 3, 60000,
         now() - $2::float8 * interval '1 day',
         CASE WHEN $3::float8 IS NULL THEN now() + interval '30 days' END, now() + interval '31 days',
         CASE WHEN $3::float8 IS NULL THEN now() + interval '31 days' END,
         now() - $3::float8 * interval '1 day', now() - $3::float8 * interval '1 day', now() - $3::float8 * interval '1 day',
         now() - $3::float8 * interval '1 day', 1, '{"a":1}', to_json(repeat(md5(random()::text), $6 / 32))
       FROM generate_series(1, $1) AS n
       RETURNING id
     ), called AS (
       INSERT INTO outbound_calls (execution_id, attempt, dispatch, protocol, method, host, path, started_at, duration_ms,
         bytes_sent, bytes_received, try)
       SELECT id, 1, 1, 'http', 'GET', 'example.com', '/', now(), 1, 0, 0, 1 FROM made, generate_series(1, $7)
     )
     SELECT id FROM made ORDER BY id`,
    [
      old.count,
      old.daysOld,
      old.finishedDaysAgo ?? null,
      old.callerId ?? "key:old",
      old.engineId ?? "old",
      old.outputBytes ?? 64,
      old.callsEach ?? 0,
    ],
  );
  return rows.map(({ id }) => id);
}
