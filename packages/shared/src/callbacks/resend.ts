import type pg from "pg";
import type { CallerRef } from "../executions/row.ts";

/**
 * `due`: it is sent now, under the same `webhook-id`, and its schedule begins anew; `sending`: that is what happens at this
 * moment; `disabled`: its endpoint is switched off or removed; `not_found`: the caller has no such delivery.
 */
export type ResendResult = "due" | "sending" | "disabled" | "not_found";

/**
 * Makes a delivery due again now, whatever came of it before. tl-plane may do it for everybody's.
 * @param deliveryId the `webhook-id`
 * @throws what Postgres says
 */
export async function resendDelivery(
  pool: pg.Pool,
  caller: CallerRef,
  deliveryId: string,
): Promise<ResendResult> {
  const { rows } = await pool.query<{ sending: boolean; is_active: boolean }>({
    name: "resend-callback",
    text: `WITH found AS MATERIALIZED (
        SELECT d.id, coalesce(d.claimed_until > now(), false) AS sending,
          d.endpoint_id IS NULL OR coalesce(w.is_active, false) AS is_active
        FROM callback_deliveries d LEFT JOIN webhook_endpoints w ON w.id = d.endpoint_id
        WHERE d.id = $1 AND ($2::text IS NULL OR d.caller_id = $2) AND d.execution_id IS NOT NULL
        FOR UPDATE OF d
      ), again AS (
        UPDATE callback_deliveries d SET status = 'pending', tries = 0, next_at = now(), finished_at = NULL
        FROM found WHERE d.id = found.id AND NOT found.sending AND found.is_active
      ) SELECT sending, is_active FROM found`,
    values: [deliveryId, caller.kind === "plane" ? null : caller.id],
  });
  const found = rows[0];
  if (found === undefined) return "not_found";
  if (found.sending) return "sending";
  return found.is_active ? "due" : "disabled";
}
