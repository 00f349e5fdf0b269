import type pg from "pg";
import type { ChorePage } from "./purge-walk.ts";

/** Idempotency keys that one statement removes. */
const pageSize = 1_000;

/** Removes a page of idempotency keys that are free again: they count for 24 h, whatever the time of retention is. */
export async function sweepKeys(pool: pg.Pool): Promise<ChorePage> {
  const { rowCount } = await pool.query({
    name: "sweep-idempotency-keys",
    text: `DELETE FROM idempotency_keys WHERE (caller_id, key) IN (SELECT caller_id, key FROM idempotency_keys
      WHERE created_at < now() - interval '25 hours' ORDER BY created_at LIMIT ${pageSize} FOR UPDATE SKIP LOCKED)`,
  });
  const idempotency_key = rowCount ?? 0;
  return { removed: { idempotency_key }, more: idempotency_key === pageSize };
}
