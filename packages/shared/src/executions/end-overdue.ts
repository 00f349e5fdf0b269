import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { executionErrorText } from "./error.ts";
import { remoteHolder } from "./remote-holder.ts";

const neverStarted = `(e.started_at IS NULL)`;
const ended = `CASE WHEN e.status IN ('scheduled', 'queued') AND ${neverStarted} THEN 'expired'
  WHEN e.cancel_requested_at IS NOT NULL THEN 'canceled' ELSE 'failed' END`;

/** Most rows that one statement ends, and most statements of one call: an expired backlog must not hold up a turn. */
const pageSize = 1_000;
const maxPages = 20;

/**
 * Ends executions whose deadline has passed: what never started is expired; what waited too long after its first start
 * fails with its last error; what runs longer than its timeout, the grace period and a margin fails as `timeout`, whoever
 * holds it. What a worker ran whose lease has ended is left to be taken back, and
 * what was handed over to a service is left to end-handed-over.ts.
 * @returns how many were ended
 */
export async function endOverdue(pool: pg.Pool, signals: Signals): Promise<number> {
  let total = 0;
  for (let page = 0; page < maxPages; page += 1) {
    const ended = await endPage(pool, signals);
    total += ended;
    if (ended < pageSize) break;
  }
  return total;
}

async function endPage(pool: pg.Pool, signals: Signals): Promise<number> {
  const timeout = executionErrorText(
    {
      code: "timeout",
      detail: "It ran longer than its timeout and could not be stopped.",
      retryable: true,
    },
    0,
  );
  const idle = executionErrorText(
    {
      code: "no_such_version",
      detail: "It waited 24 hours for a worker that serves its engine version.",
      retryable: false,
    },
    0,
  );
  const { rows } = await pool.query<{ id: string }>({
    name: "end-overdue",
    // Chosen once, and then found by id: as a condition it might be asked again for every row that is overdue.
    text: `WITH overdue AS MATERIALIZED (
        SELECT d.id FROM executions d WHERE d.deadline_at <= now() AND (d.status <> 'running'
          OR (d.worker_id <> '${remoteHolder}' AND (SELECT p.lease_until FROM processes p WHERE p.id = d.worker_id) > now()))
        ORDER BY d.deadline_at LIMIT ${pageSize} FOR UPDATE SKIP LOCKED)
      UPDATE executions e SET status = ${ended}, finished_at = now(), deadline_at = NULL, due_at = NULL, wait_reason = NULL,
        blocked_by = NULL,
        attempt_ended_at = CASE WHEN e.status = 'running' THEN now() ELSE e.attempt_ended_at END,
        cancel_effect = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'aborted' END,
        error = CASE WHEN ${ended} <> 'failed' THEN NULL
          WHEN e.status = 'running' THEN jsonb_set($1::jsonb, '{attempt}', to_jsonb(e.attempt))::json
          WHEN jsonb_typeof(e.earlier_attempts -> -1 -> 'error') = 'object' THEN (e.earlier_attempts -> -1 -> 'error')::json
          ELSE jsonb_set($2::jsonb, '{attempt}', to_jsonb(e.attempt))::json END
      FROM overdue WHERE e.id = overdue.id
      RETURNING e.id`,
    values: [timeout, idle],
  });
  if (rows.length > 0) signals.publish("settled", rows.map((row) => row.id).join(","));
  return rows.length;
}
