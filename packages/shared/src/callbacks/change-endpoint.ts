import type { ChangeWebhookEndpoint } from "@tl-engine/contract";
import type pg from "pg";
import type { SecretBox } from "../secrets/secret-box.ts";
import { endPendingOf } from "./end-pending.ts";
import { WebhookEndpointNotFoundError } from "./endpoint-errors.ts";
import { endpointColumns, type EndpointRow } from "./endpoint-record.ts";
import { endpointSecretContext, newSigningSecret } from "./signing-secret.ts";

const enabled = `is_active = true, disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, last_error = NULL`;

/**
 * Changes the members that are given, of a caller's own endpoint. Switched off, what it is still owed ends as `disabled`;
 * switched on, it begins anew without a history of failures.
 * @throws WebhookEndpointNotFoundError
 */
export async function changeEndpoint(
  pool: pg.Pool,
  callerId: string,
  id: string,
  changes: ChangeWebhookEndpoint,
): Promise<EndpointRow> {
  const { rows } = await pool.query<EndpointRow>(
    `UPDATE webhook_endpoints w SET url = coalesce($3, w.url), description = coalesce($4, w.description),
       events = CASE WHEN $5 THEN $6::text[] ELSE w.events END, engines = CASE WHEN $7 THEN $8::text[] ELSE w.engines END
       ${changes.is_active === true ? `, ${enabled}` : ""}
       ${changes.is_active === false ? `, is_active = false, disabled_at = coalesce(w.disabled_at, now()), disabled_reason = coalesce(w.disabled_reason, 'by_request')` : ""}
     WHERE w.id = $1 AND w.caller_id = $2 RETURNING ${endpointColumns}`,
    [
      id,
      callerId,
      changes.url ?? null,
      changes.description ?? null,
      changes.events !== undefined,
      changes.events == null ? null : [...new Set(changes.events)],
      changes.engines !== undefined,
      changes.engines == null ? null : [...new Set(changes.engines)],
    ],
  );
  if (rows[0] === undefined) throw new WebhookEndpointNotFoundError(id);
  if (changes.is_active === false) await endPendingOf(pool, id);
  return rows[0];
}

/**
 * Removes a caller's own endpoint; what it is still owed ends as `disabled`, and what was delivered stays listed.
 * @throws WebhookEndpointNotFoundError
 */
export async function deleteEndpoint(pool: pg.Pool, callerId: string, id: string): Promise<void> {
  await changeEndpoint(pool, callerId, id, { is_active: false });
  await pool.query(
    `WITH tests AS (DELETE FROM callback_deliveries WHERE endpoint_id = $1 AND execution_id IS NULL)
     DELETE FROM webhook_endpoints WHERE id = $1 AND caller_id = $2`,
    [id, callerId],
  );
}

/**
 * Gives a caller's own endpoint another secret, which signs from now on; the one that it had signs too for `overlapMs`, and
 * one from a rotation before that ends now.
 * @returns the endpoint and the new secret, which is shown this once
 * @throws WebhookEndpointNotFoundError
 */
export async function rotateEndpointSecret(
  pool: pg.Pool,
  box: SecretBox,
  callerId: string,
  id: string,
  overlapMs: number,
): Promise<{ endpoint: EndpointRow; secret: string }> {
  const secret = newSigningSecret();
  const { rows } = await pool.query<EndpointRow>(
    `UPDATE webhook_endpoints w SET secret = $3, previous_secret = CASE WHEN $4::float8 > 0 THEN w.secret END,
       previous_ends_at = CASE WHEN $4::float8 > 0 THEN now() + $4::float8 * interval '1 millisecond' END
     WHERE w.id = $1 AND w.caller_id = $2 RETURNING ${endpointColumns}`,
    [id, callerId, box.seal(secret, endpointSecretContext(id)), overlapMs],
  );
  if (rows[0] === undefined) throw new WebhookEndpointNotFoundError(id);
  return { endpoint: rows[0], secret };
}
