import type pg from "pg";
import type { ChorePage } from "./purge-walk.ts";

/** Outbound calls that one statement looks at. */
const pageSize = 1_000;
const lowestId = "00000000-0000-0000-0000-000000000000";
/** Calls under the lowest id belong to no execution, and leave by their own age. */
const highestCall = "9223372036854775807";

/** The smallest id of an execution that was made at the time of retention ago, in ms at `place`. */
const horizon = (place: string): string => `(lpad(to_hex((extract(epoch FROM now()) * 1000
  - ${place}::float8)::bigint), 12, '0') || '00000000000000000000')::uuid`;

/** There is hardly ever one at all. */
async function sweepLateResults(pool: pg.Pool, retentionMs: number): Promise<void> {
  await pool.query({
    name: "sweep-orphaned-late-results",
    text: `DELETE FROM late_results WHERE (execution_id, dispatch) IN (SELECT execution_id, dispatch FROM late_results l
      WHERE execution_id < ${horizon("$1")} AND NOT EXISTS (SELECT FROM executions e WHERE e.id = l.execution_id)
      LIMIT ${pageSize})`,
    values: [retentionMs],
  });
}

/**
 * Removes outbound calls and late results whose execution has left before them: what a worker told after the purge, or at
 * the same moment. What is looked at are those of executions from before the time of retention, of which hardly any are
 * left.
 */
export function createOrphanSweep(
  pool: pg.Pool,
  retentionMs: number,
): { page(): Promise<ChorePage> } {
  let afterExecution = lowestId;
  let afterCall = highestCall;
  return {
    async page() {
      const { rows } = await pool.query<{
        looked: number;
        removed: number;
        execution_id: string | null;
        id: string | null;
      }>({
        name: "sweep-orphaned-calls",
        text: `WITH page AS MATERIALIZED (
            SELECT execution_id, id FROM outbound_calls
            WHERE (execution_id, id) > ($1::uuid, $2::bigint) AND execution_id < ${horizon("$3")}
            ORDER BY execution_id, id LIMIT ${pageSize}
          ), gone AS (
            DELETE FROM outbound_calls c USING page WHERE c.id = page.id
              AND NOT EXISTS (SELECT FROM executions e WHERE e.id = page.execution_id)
            RETURNING c.id
          )
          SELECT (SELECT count(*)::int FROM page) AS looked, (SELECT count(*)::int FROM gone) AS removed, last.execution_id, last.id
          FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM page ORDER BY execution_id DESC, id DESC LIMIT 1) AS last ON true`,
        values: [afterExecution, afterCall, retentionMs],
      });
      if (rows[0] === undefined) throw new Error("Postgres said nothing");
      const { looked, removed, execution_id, id } = rows[0];
      const more = looked === pageSize;
      if (!more) await sweepLateResults(pool, retentionMs);
      afterExecution = more && execution_id !== null ? execution_id : lowestId;
      afterCall = more && id !== null ? id : highestCall;
      return { removed: { outbound_call: removed }, more };
    },
  };
}
