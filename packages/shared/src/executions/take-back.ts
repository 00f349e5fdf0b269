import { executionErrorText } from "./error.ts";
import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { remoteHolder } from "./remote-holder.ts";
import { readyColumns, type ReadyRow } from "./ready.ts";
import { maxIdleMs, maxLosses } from "./state.ts";

const lost = `(e.losses + 1 >= ${maxLosses})`;
// Not a join: where the row was changed in the meantime, by another worker's start, it has to be asked anew for that one.
const leaseEnded = `((SELECT p.lease_until FROM processes p WHERE p.id = r.worker_id)
  <= coalesce($3::timestamptz, now())) IS NOT FALSE`;
const requeued = `(e.cancel_requested_at IS NULL AND NOT ${lost})`;

/**
 * Takes running executions back from workers whose lease has ended or who are not known any more. The loss of a whole
 * worker counts no attempt; an execution that loses its worker {@link maxLosses} times ends as `worker_lost`.
 * @param at Postgres' time by which leases are judged, as it writes it; left out: now
 * @returns how many were taken back
 */
export async function takeBackLost(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  signals: Signals,
  at: string | null = null,
): Promise<number> {
  const ticket = enqueuer.open();
  try {
    const failure = executionErrorText(
      {
        code: "worker_lost",
        detail: `The worker that ran it was lost ${maxLosses} times.`,
        retryable: false,
      },
      0,
    );
    const { rows } = await pool.query<ReadyRow & { status: string }>({
      name: "take-back-lost",
      // Chosen once, and then found by id: as a condition it might be asked again for every row that runs.
      text: `WITH lost AS MATERIALIZED (
          SELECT r.id FROM executions r WHERE r.status = 'running' AND r.worker_id <> '${remoteHolder}' AND ${leaseEnded} LIMIT 1000 FOR UPDATE SKIP LOCKED)
        UPDATE executions e SET status = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'canceled'
            WHEN ${lost} THEN 'failed' ELSE 'queued' END,
          dispatch = e.dispatch + 1, losses = e.losses + 1, alone = e.alone OR e.losses >= 1,
          attempt = e.attempt - 1, ready_at = now(), waiting_since = NULL, enqueuer = $1,
          deadline_at = CASE WHEN ${requeued} THEN now() + ${maxIdleMs} * interval '1 millisecond' END,
          finished_at = CASE WHEN ${requeued} THEN NULL ELSE now() END,
          cancel_effect = CASE WHEN e.cancel_requested_at IS NULL THEN NULL ELSE 'aborted' END,
          error = CASE WHEN e.cancel_requested_at IS NULL AND ${lost} THEN $2::json END,
          earlier_attempts = coalesce(e.earlier_attempts, '[]') || jsonb_build_object('attempt', e.attempt,
            'dispatch', e.dispatch, 'worker_id', e.worker_id, 'started_at', e.attempt_started_at, 'finished_at', now(),
            'outcome', 'worker_lost', 'error', NULL)
        FROM lost WHERE e.id = lost.id
        RETURNING ${readyColumns}, e.status`,
      values: [enqueuer.processId, failure, at],
    });
    const ended = rows.filter((row) => row.status !== "queued").map((row) => row.id);
    if (ended.length > 0) signals.publish("settled", ended.join(","));
    await enqueuer.enqueue(
      ticket,
      rows.filter((row) => row.status === "queued"),
    );
    return rows.length;
  } catch (error) {
    enqueuer.drop(ticket, "unknown");
    throw error;
  }
}
