import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { executionErrorText } from "./error.ts";
import { readyColumns, type ReadyRow } from "./ready.ts";
import { remoteHolder } from "./remote-holder.ts";
import { maxIdleMs, maxReturns } from "./state.ts";

/** A running execution that its worker cannot bring to an end. */
export interface GivenBack {
  id: string;
  dispatch: number;
  /** It may have blocked or crashed the host that it shared, and has to run alone from now on. */
  alone: boolean;
}

const listed = `jsonb_array_length(coalesce(e.earlier_attempts, '[]'))`;
const tooOften = `(${listed} >= ${maxReturns} AND e.started_at <= now() - ${maxIdleMs} * interval '1 millisecond')`;
const requeued = `(e.cancel_requested_at IS NULL AND NOT ${tooOften})`;
const failure = executionErrorText(
  {
    code: "worker_lost",
    detail: `For a day it came back from workers that could not bring it to an end, more than ${maxReturns} times.`,
    retryable: false,
  },
  0,
);

/**
 * Moves running executions back to queued without counting the attempt, and enqueues them again: their worker goes
 * away, or lost the host that they ran in. Where a cancel was asked for they end as canceled. One that came back
 * {@link maxReturns} times, and for a day, fails: each return has a new deadline, so that nothing else would end it. Those
 * that wait for a place to run alone may come back often; what is beyond that number is not listed any more.
 * @throws what Postgres says
 */
export async function giveBack(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  signals: Signals,
  items: readonly GivenBack[],
): Promise<void> {
  if (items.length === 0) return;
  const ticket = enqueuer.open();
  try {
    const { rows } = await pool.query<ReadyRow & { status: string }>({
      name: "give-back",
      // The rows are locked in the order of their ids, and found by id: `|| ''` keeps the planner from walking all that runs.
      text: `UPDATE executions e SET status = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'canceled'
            WHEN ${tooOften} THEN 'failed' ELSE 'queued' END,
          dispatch = e.dispatch + 1, attempt = e.attempt - 1, alone = e.alone OR g.alone, ready_at = now(),
          waiting_since = NULL, enqueuer = $1,
          deadline_at = CASE WHEN ${requeued} THEN now() + ${maxIdleMs} * interval '1 millisecond' END,
          finished_at = CASE WHEN ${requeued} THEN NULL ELSE now() END,
          error = CASE WHEN e.cancel_requested_at IS NULL AND ${tooOften} THEN $5::json END,
          cancel_effect = CASE WHEN e.cancel_requested_at IS NULL THEN NULL ELSE 'prevented' END,
          earlier_attempts = CASE WHEN ${requeued} AND ${listed} >= ${maxReturns} THEN e.earlier_attempts
            ELSE coalesce(e.earlier_attempts, '[]') || jsonb_build_object('attempt', e.attempt,
              'dispatch', e.dispatch, 'worker_id', e.worker_id, 'started_at', e.attempt_started_at, 'finished_at', now(),
              'outcome', 'given_back', 'error', NULL) END
        FROM (SELECT * FROM unnest($2::uuid[], $3::int[], $4::bool[]) AS g(id, dispatch, alone) ORDER BY id) AS g
        WHERE e.id = g.id AND e.dispatch = g.dispatch AND e.status || '' = 'running'
          AND e.worker_id <> '${remoteHolder}'
        RETURNING ${readyColumns}, e.status`,
      values: [
        enqueuer.processId,
        items.map((item) => item.id),
        items.map((item) => item.dispatch),
        items.map((item) => item.alone),
        failure,
      ],
    });
    const ended = rows.filter((row) => row.status !== "queued").map((row) => row.id);
    if (ended.length > 0) signals.publish("settled", ended.join(","));
    const ready = rows.filter((row) => row.status === "queued");
    await enqueuer.enqueue(ticket, ready);
  } catch (error) {
    enqueuer.drop(ticket, "unknown");
    throw error;
  }
}
