import type { LateResult } from "@tl-engine/contract";
import type pg from "pg";
import { createBatcher } from "../batch/batcher.ts";
import { executionErrorText } from "./error.ts";
import type { Settlement } from "./settlement.ts";
import { untilAvailable } from "./until-available.ts";

/** What the record says of late results, by dispatch; times as Postgres writes them. */
export type LateResults = Record<string, LateResult>;

export interface LateResultWriter {
  /**
   * Notes that this came too late, if it did: a settlement that was recorded and is only told again, because the answer
   * was lost, is none. Waits for Postgres where it is away; never rejects.
   */
  note(settlement: Settlement): Promise<void>;
}

// Too late is what belongs to an attempt that others ended: taken back, given back, or ended past its deadline (as
// end-overdue.ts does, under the dispatch that it ran with, which is the row's own attempt as in row.ts; only a value that
// was returned counts after a cancel, so that it was no worker who wrote `canceled` over one). The row is locked against its deletion alone.
const statement = `
INSERT INTO late_results (execution_id, dispatch, outcome, error_code)
SELECT e.id, l.dispatch, CASE WHEN l.error IS NULL THEN 'succeeded' ELSE 'failed' END, l.error::json ->> 'code'
FROM (SELECT DISTINCT ON (id, dispatch) * FROM unnest($1::uuid[], $2::int[], $3::text[]) AS l(id, dispatch, error)) AS l
JOIN executions e ON e.id = l.id
WHERE e.earlier_attempts @> jsonb_build_array(jsonb_build_object('dispatch', l.dispatch, 'outcome', 'worker_lost'))
  OR e.earlier_attempts @> jsonb_build_array(jsonb_build_object('dispatch', l.dispatch, 'outcome', 'given_back'))
  OR (e.dispatch = l.dispatch AND e.attempt_started_at IS NOT NULL
    AND coalesce((e.earlier_attempts -> -1 ->> 'dispatch')::int, -2) <> e.dispatch - 1
    AND CASE e.status WHEN 'failed' THEN e.error ->> 'code' = 'timeout' AND e.error::text IS DISTINCT FROM l.error
      WHEN 'canceled' THEN l.error IS NULL ELSE false END)
FOR KEY SHARE OF e
ON CONFLICT DO NOTHING`;

/** Writes late results in batches, beside the path of an execution. */
export function createLateResultWriter(
  pool: pg.Pool,
  onError: (error: unknown) => void,
): LateResultWriter {
  const batcher = createBatcher<Settlement, void>({
    maxItems: 256,
    lanes: 1,
    async run(batch) {
      await pool.query({
        name: "note-late-results",
        text: statement,
        values: [
          batch.map(({ id }) => id),
          batch.map(({ dispatch }) => dispatch),
          batch.map((s) =>
            s.outcome === "succeeded" ? null : executionErrorText(s.failure, s.attempt),
          ),
        ],
      });
      return batch.map(() => undefined);
    },
  });
  return {
    note: (settlement) => untilAvailable(() => batcher.add(settlement), { onError }).catch(onError),
  };
}

/** The select list's part for `executions e`: an index look-up for those executions whose attempts are asked for. */
export const lateResults = `(SELECT json_object_agg(l.dispatch, json_build_object('outcome', l.outcome,
    'code', l.error_code, 'at', l.at)) FROM late_results l WHERE l.execution_id = e.id)`;
