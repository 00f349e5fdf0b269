import type pg from "pg";
import type { ChorePage } from "../executions/purge-walk.ts";

/** Rows that one statement removes, and bytes of the bodies and requests in them, as they are stored. */
const pageSize = 1_000;
const pageBytes = 16 * 1024 * 1024;
const lowestId = "00000000-0000-0000-0000-000000000000";

/**
 * Removes outbound calls that began longer than this ago, oldest first, whatever became of their executions. Those of the
 * build before have no id to go by, and leave with their executions.
 */
export function createCallSweep(
  pool: pg.Pool,
  callRetentionMs: number,
): { page(): Promise<ChorePage> } {
  let after = lowestId;
  return {
    async page() {
      const { rows } = await pool.query<{ removed: number; last: string | null; more: boolean }>({
        name: "sweep-outbound-calls",
        text: `WITH page AS MATERIALIZED (
            SELECT id, call_id, coalesce(pg_column_size(request_body), 0) + coalesce(pg_column_size(response_body), 0)
              + coalesce(pg_column_size(resend), 0) AS bytes
            FROM outbound_calls WHERE call_id > $1::uuid AND call_id < (lpad(to_hex((extract(epoch FROM now()) * 1000
              - $2::float8)::bigint), 12, '0') || '00000000000000000000')::uuid
            ORDER BY call_id LIMIT ${pageSize}
          ), due AS MATERIALIZED (
            SELECT id, call_id FROM (SELECT *, sum(bytes) OVER (ORDER BY call_id
              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM page) AS p
            WHERE coalesce(before, 0) < ${pageBytes}
          ), gone AS (
            DELETE FROM outbound_calls c USING due WHERE c.id = due.id RETURNING c.id
          )
          SELECT (SELECT count(*)::int FROM gone) AS removed,
            (SELECT call_id FROM due ORDER BY call_id DESC LIMIT 1) AS last,
            (SELECT count(*) FROM page) = ${pageSize} OR (SELECT count(*) FROM page) > (SELECT count(*) FROM due) AS more`,
        values: [after, callRetentionMs],
      });
      if (rows[0] === undefined) throw new Error("Postgres said nothing");
      const { removed, last, more } = rows[0];
      after = more && last !== null ? last : lowestId;
      return { removed: { outbound_call: removed }, more };
    },
  };
}
