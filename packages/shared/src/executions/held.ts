import type pg from "pg";

/** A running execution as the record ascribes it to a worker. */
export interface HeldExecution {
  id: string;
  dispatch: number;
  cancelRequested: boolean;
}

/**
 * What a worker runs, according to the record. The worker compares: what was asked to stop is aborted, what is not his
 * any more is dropped, and what he does not know of (the answer to its start was lost) is given back.
 */
export async function readHeld(pool: pg.Pool, workerId: string): Promise<HeldExecution[]> {
  const { rows } = await pool.query<HeldExecution>({
    name: "read-held",
    text: `SELECT id, dispatch, cancel_requested_at IS NOT NULL AS "cancelRequested"
      FROM executions WHERE status = 'running' AND worker_id = $1`,
    values: [workerId],
  });
  return rows;
}
