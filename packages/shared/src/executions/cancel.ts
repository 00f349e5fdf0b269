import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { readExecutions } from "./read.ts";
import { remoteHolder } from "./remote-holder.ts";
import type { CallerRef, ExecutionRow } from "./row.ts";

/**
 * `canceled`: it will not run (any more); `requested`: it runs and was asked to stop; `finished`: it had ended otherwise.
 */
export type CancelResult =
  | { kind: "canceled" | "requested" | "finished"; row: ExecutionRow }
  | { kind: "not_found" };

/** A worker runs it, and has to hear that it should stop. */
const held = `(e.status = 'running' AND e.worker_id <> '${remoteHolder}')`;

/**
 * Cancels an execution that waits, or asks one that runs to stop. One that was handed over to a service ends at once:
 * what that one says of it later is dropped. Asking again changes nothing.
 */
export async function cancelExecution(
  pool: pg.Pool,
  signals: Signals,
  caller: CallerRef,
  id: string,
): Promise<CancelResult> {
  const { rows } = await pool.query<{ status: string }>({
    name: "cancel-execution",
    text: `UPDATE executions e SET cancel_requested_at = coalesce(e.cancel_requested_at, now()),
        status = CASE WHEN ${held} THEN 'running' ELSE 'canceled' END,
        cancel_effect = CASE WHEN ${held} THEN NULL WHEN e.status = 'running' THEN 'aborted' ELSE 'prevented' END,
        attempt_ended_at = CASE WHEN e.status = 'running' AND NOT ${held} THEN now() ELSE e.attempt_ended_at END,
        finished_at = CASE WHEN ${held} THEN NULL ELSE now() END,
        deadline_at = CASE WHEN ${held} THEN e.deadline_at END, due_at = NULL, wait_reason = NULL,
        blocked_by = NULL
      WHERE e.id = $1 AND ($2 OR e.caller_id = $3) AND e.status IN ('scheduled', 'queued', 'running')
      RETURNING e.status`,
    values: [id, caller.kind === "plane", caller.id],
  });
  const moved = rows[0]?.status;
  if (moved === "running") signals.publish("cancel", id);
  if (moved === "canceled") signals.publish("settled", id);
  const everything = { output: true, input: false, attempts: false, calls: false };
  const [row] = await readExecutions(pool, caller, [id], everything);
  if (row === undefined) return { kind: "not_found" };
  if (row.status === "canceled") return { kind: "canceled", row };
  if (moved !== undefined && row.status === "running") return { kind: "requested", row };
  // It may have ended between the two statements.
  return { kind: moved === undefined ? "finished" : "requested", row };
}
