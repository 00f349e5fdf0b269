import type pg from "pg";

/** Deliveries that one statement ends: an endpoint may be owed very many. */
const pageSize = 1_000;

/**
 * Ends as `disabled` what an endpoint that is switched off is still owed. What is made at the same moment is ended when its
 * turn comes.
 * @returns how many were ended
 */
export async function endPendingOf(pool: pg.Pool, endpointId: string): Promise<number> {
  for (let total = 0; ;) {
    const { rowCount } = await pool.query({
      name: "end-pending-callbacks",
      text: `UPDATE callback_deliveries SET status = 'disabled', next_at = NULL, claimed_by = NULL, claimed_until = NULL,
          finished_at = now(), last_error = coalesce(last_error, 'the endpoint was switched off')
        WHERE id IN (SELECT id FROM callback_deliveries d WHERE d.status = 'pending' AND d.target = $1
          AND d.caller_id = (SELECT caller_id FROM webhook_endpoints WHERE id = $1)
          ORDER BY id LIMIT ${pageSize} FOR UPDATE SKIP LOCKED)`,
      values: [endpointId],
    });
    const ended = rowCount ?? 0;
    total += ended;
    if (ended < pageSize) return total;
  }
}
