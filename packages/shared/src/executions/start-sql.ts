/** A row that {@link startAssignments} moved. */
export interface StartedRow {
  id: string;
  dispatch: number;
  attempt: number;
  max_attempts: number;
  engine_id: string;
  version: number;
  caller_id: string;
  priority: number;
  timeout_ms: number;
  queued_ms: number;
  input: string;
  alone: boolean;
  losses: number;
  traceparent: string | null;
}

/** What a start writes; $1 is the worker, $2 the grace period and margin in ms. */
export const startAssignments = `status = 'running', dispatch = e.dispatch + 1, attempt = e.attempt + 1, worker_id = $1,
  started_at = coalesce(e.started_at, now()), attempt_started_at = now(), attempt_ended_at = NULL, progress = NULL,
  enqueuer = NULL, deadline_at = now() + (e.timeout_ms + $2::int) * interval '1 millisecond'`;

/**
 * What has to hold of a row for a start; see {@link lease}. The rows are found by id: the roundabout words keep the
 * planner from walking the whole backlog by the partial index on ready rows instead.
 */
export const startGuard = `e.status = 'queued' AND coalesce(e.wait_reason, '') = ''
  AND (e.started_at IS NOT NULL OR e.expires_at > now()) AND (SELECT holds FROM lease)`;

/**
 * A worker whose lease has ended starts nothing: somebody may be taking back what it holds. That is said apart from
 * "there is nothing to start", since such a delivery must not be dropped.
 */
export const lease = `lease AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM processes p WHERE p.id = $1 AND p.lease_until > now()) AS holds)`;

/**
 * What a start reads of a row. While it waited for its turn at a ceiling its `now()` stood still: what was made ready
 * meanwhile has waited for nothing, not for less than that.
 */
export const startedColumns = `e.id, e.dispatch, e.attempt, e.max_attempts, e.engine_id, e.version, e.caller_id,
  e.priority, e.timeout_ms,
  greatest(0, extract(epoch FROM now() - coalesce(e.waiting_since, e.ready_at)))::float8 * 1000 AS queued_ms, e.input::text AS input,
  e.alone, e.losses, e.traceparent`;

/** What a statement that starts executions answers: one row without an id where it started none. */
export type StartAnswer = { holds: boolean } & (StartedRow | { id: null });

/** The rows that were started; null where the lease had ended. */
export function startedRows(answer: readonly StartAnswer[]): StartedRow[] | null {
  if (answer[0]?.holds !== true) return null;
  return answer.flatMap((row) => (row.id === null ? [] : [row]));
}
