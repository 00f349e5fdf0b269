import type pg from "pg";
import { WebhookEndpointNotFoundError } from "./endpoint-errors.ts";

/** Tests that are kept of an endpoint. */
const keptTests = 20;

/**
 * Puts a `test.ping` for a caller's own endpoint where it is sent at once, and once.
 * @returns the delivery's id; null where the endpoint is switched off
 * @throws WebhookEndpointNotFoundError
 */
export async function testEndpoint(
  pool: pg.Pool,
  callerId: string,
  id: string,
): Promise<string | null> {
  const { rows } = await pool.query<{ is_active: boolean; delivery: string | null }>(
    `WITH endpoint AS MATERIALIZED (
       SELECT w.id, w.url, w.is_active FROM webhook_endpoints w WHERE w.id = $1 AND w.caller_id = $2
     ), old AS (
       DELETE FROM callback_deliveries WHERE id IN (SELECT d.id FROM callback_deliveries d JOIN endpoint ON d.endpoint_id = endpoint.id
         WHERE d.execution_id IS NULL ORDER BY d.created_at DESC OFFSET ${keptTests - 1})
     ), made AS (
       INSERT INTO callback_deliveries (caller_id, endpoint_id, url, target, event, status, next_at)
       SELECT $2, id, url, id, 'test.ping', 'pending', now() FROM endpoint WHERE is_active RETURNING id
     ) SELECT endpoint.is_active, made.id AS delivery FROM endpoint LEFT JOIN made ON true`,
    [id, callerId],
  );
  const found = rows[0];
  if (found === undefined) throw new WebhookEndpointNotFoundError(id);
  return found.delivery;
}
