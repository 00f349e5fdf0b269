import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { readExecutions } from "./read.ts";
import type { CallerRef, ExecutionRow } from "./row.ts";

/**
 * `canceled`: it will not run (any more); `requested`: it runs and was asked to stop; `finished`: it had ended otherwise.
 */
export type CancelResult =
  | { kind: "canceled" | "requested" | "finished"; row: ExecutionRow }
  | { kind: "not_found" };

/** Cancels an execution that waits, or asks one that runs to stop. Asking again changes nothing. */
export async function cancelExecution(
  pool: pg.Pool,
  signals: Signals,
  caller: CallerRef,
  id: string,
): Promise<CancelResult> {
  const { rows } = await pool.query<{ status: string }>({
    name: "cancel-execution",
    text: `UPDATE executions e SET cancel_requested_at = coalesce(e.cancel_requested_at, now()),
        status = CASE WHEN e.status = 'running' THEN 'running' ELSE 'canceled' END,
        cancel_effect = CASE WHEN e.status = 'running' THEN NULL ELSE 'prevented' END,
        finished_at = CASE WHEN e.status = 'running' THEN NULL ELSE now() END,
        deadline_at = CASE WHEN e.status = 'running' THEN e.deadline_at END, due_at = NULL, wait_reason = NULL,
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
