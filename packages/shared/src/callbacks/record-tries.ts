import type pg from "pg";

/** What came of a try. */
export interface TryResult {
  id: string;
  claims: number;
  /**
   * `retry`: it failed and is tried again; `failed`: it failed for the last time; `gone`: the receiver wants no more
   * (410); `disabled`: there was nobody to send it to; `returned`: no try was made of it, and it is due again.
   */
  outcome: "delivered" | "retry" | "failed" | "gone" | "disabled" | "returned";
  status: number | null;
  error: string | null;
  /** For `retry` and `returned`. */
  delayMs: number | null;
}

/** An endpoint to which no delivery has succeeded for this long is switched off, ms. */
export const disableAfterMs = 5 * 86_400_000;

// A claim that is not the latest one says nothing any more. Endpoints are locked in the order of their ids, and only where
// there is something to change: a healthy one costs nothing.
const statement = `
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::text[], $6::float8[])
    AS g(id, claims, outcome, status, error, delay_ms)
), written AS (
  UPDATE callback_deliveries d SET
    status = CASE WHEN g.outcome IN ('retry', 'returned') THEN 'pending' ELSE g.outcome END,
    tries = CASE WHEN g.outcome IN ('disabled', 'returned') THEN d.tries - 1 ELSE d.tries END,
    next_at = CASE WHEN g.outcome IN ('retry', 'returned') THEN now() + g.delay_ms * interval '1 millisecond' END,
    claimed_by = NULL, claimed_until = NULL,
    last_tried_at = CASE WHEN g.outcome IN ('disabled', 'returned') THEN d.last_tried_at ELSE now() END,
    last_status = CASE WHEN g.outcome IN ('disabled', 'returned') THEN d.last_status ELSE g.status END,
    last_error = CASE WHEN g.outcome = 'returned' THEN d.last_error ELSE g.error END,
    finished_at = CASE WHEN g.outcome IN ('retry', 'returned') THEN NULL ELSE now() END
  FROM given g WHERE d.id = g.id AND d.claims = g.claims AND d.status = 'pending'
  RETURNING d.endpoint_id, g.outcome, g.error
), health AS MATERIALIZED (
  SELECT endpoint_id AS id, bool_or(outcome = 'delivered') AS ok, bool_or(outcome = 'gone') AS gone, max(error) AS error
  FROM written WHERE endpoint_id IS NOT NULL AND outcome IN ('delivered', 'retry', 'failed', 'gone') GROUP BY endpoint_id
), changed AS MATERIALIZED (
  SELECT h.* FROM health h JOIN webhook_endpoints w ON w.id = h.id
  WHERE w.is_active AND (h.gone OR CASE WHEN h.ok THEN w.failing_since IS NOT NULL
    ELSE w.failing_since IS NULL OR w.last_error IS DISTINCT FROM h.error
      OR w.failing_since <= now() - $7::float8 * interval '1 millisecond' END)
  ORDER BY w.id FOR UPDATE OF w
), touched AS (
  UPDATE webhook_endpoints w SET
    failing_since = CASE WHEN c.ok AND NOT c.gone THEN NULL ELSE coalesce(w.failing_since, now()) END,
    last_error = CASE WHEN c.ok AND NOT c.gone THEN NULL ELSE c.error END,
    is_active = NOT (c.gone OR s.failing),
    disabled_at = CASE WHEN c.gone OR s.failing THEN now() END,
    disabled_reason = CASE WHEN c.gone THEN 'gone' WHEN s.failing THEN 'failing' END
  FROM changed c CROSS JOIN LATERAL (
    SELECT NOT c.ok AND EXISTS (SELECT FROM webhook_endpoints f WHERE f.id = c.id
      AND f.failing_since <= now() - $7::float8 * interval '1 millisecond') AS failing) AS s
  WHERE w.id = c.id AND w.is_active
  RETURNING w.id, w.is_active
)
SELECT id FROM touched WHERE NOT is_active`;

/**
 * Writes what came of tries, and of them what is to be said of their endpoints.
 * @returns endpoints that were switched off by it: what they are still owed has to be ended
 * @throws what Postgres says
 */
export async function recordTries(
  pool: pg.Pool,
  results: readonly TryResult[],
  failingForMs = disableAfterMs,
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "record-callback-tries",
    text: statement,
    values: [
      results.map((r) => r.id),
      results.map((r) => r.claims),
      results.map((r) => r.outcome),
      results.map((r) => r.status),
      results.map((r) => r.error),
      results.map((r) => r.delayMs),
      failingForMs,
    ],
  });
  return rows.map((row) => row.id);
}
