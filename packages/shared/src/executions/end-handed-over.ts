import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { longestDelayMs } from "./backoff.ts";
import { executionErrorText } from "./error.ts";
import { remoteHolder } from "./remote-holder.ts";
import { maxIdleMs } from "./state.ts";

/** Most rows that one statement ends, and most statements of one call. */
const pageSize = 1_000;
const maxPages = 20;

const failure = executionErrorText(
  {
    code: "timeout",
    detail: "The service that took it on did not complete it within the attempt's timeout.",
    retryable: true,
  },
  0,
);
const error = `jsonb_set($1::jsonb, '{attempt}', to_jsonb(e.attempt))`;
const retried = "(o.again AND e.cancel_requested_at IS NULL)";

// As settle.ts does for a retry: the wait is drawn once for each row.
const statement = `
WITH overdue AS MATERIALIZED (
  SELECT d.id, d.attempt < d.max_attempts AS again, random() * least(${longestDelayMs}, coalesce((v.policy ->> 'backoff_max_ms')::float8, 300000),
      coalesce((v.policy ->> 'backoff_initial_ms')::float8, 1000)
      * power(coalesce((v.policy ->> 'backoff_factor')::float8, 2), least(100, greatest(0, d.attempt - 1)))) AS delay_ms
  FROM executions d LEFT JOIN engine_versions v ON v.engine_id = d.engine_id AND v.version = d.version
  WHERE d.status = 'running' AND d.worker_id = '${remoteHolder}' AND d.deadline_at <= now()
  ORDER BY d.deadline_at LIMIT ${pageSize} FOR UPDATE OF d SKIP LOCKED)
UPDATE executions e SET
  status = CASE WHEN ${retried} THEN 'queued' WHEN e.cancel_requested_at IS NOT NULL THEN 'canceled' ELSE 'failed' END,
  attempt_ended_at = now(),
  finished_at = CASE WHEN ${retried} THEN NULL ELSE now() END,
  deadline_at = CASE WHEN ${retried} THEN now() + (o.delay_ms + ${maxIdleMs}) * interval '1 millisecond' END,
  dispatch = CASE WHEN ${retried} THEN e.dispatch + 1 ELSE e.dispatch END,
  ready_at = CASE WHEN ${retried} THEN NULL ELSE e.ready_at END,
  due_at = CASE WHEN ${retried} THEN now() + o.delay_ms * interval '1 millisecond' END,
  wait_reason = CASE WHEN ${retried} THEN 'retry_backoff' END,
  error = CASE WHEN NOT ${retried} AND e.cancel_requested_at IS NULL THEN (${error})::json END,
  cancel_effect = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'aborted' END,
  earlier_attempts = CASE WHEN ${retried} THEN coalesce(e.earlier_attempts, '[]') || jsonb_build_object('attempt', e.attempt,
    'dispatch', e.dispatch, 'worker_id', e.worker_id, 'started_at', e.attempt_started_at, 'finished_at', now(),
    'outcome', 'failed', 'error', ${error}) ELSE e.earlier_attempts END
FROM overdue o WHERE e.id = o.id
RETURNING e.id`;

/**
 * Ends the attempts of executions that were handed over and not completed within their timeout, by Postgres' clock: as
 * `timeout`, retried under their engine's policy. What the service says of them after that is dropped by the dispatch.
 * @returns how many
 */
export async function endOverdueHandedOver(pool: pg.Pool, signals: Signals): Promise<number> {
  let total = 0;
  for (let page = 0; page < maxPages; page += 1) {
    const { rows } = await pool.query<{ id: string }>({
      name: "end-overdue-handed-over",
      text: statement,
      values: [failure],
    });
    total += rows.length;
    if (rows.length > 0) signals.publish("settled", rows.map((row) => row.id).join(","));
    if (rows.length < pageSize) break;
  }
  return total;
}
