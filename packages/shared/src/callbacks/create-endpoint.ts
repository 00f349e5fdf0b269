import { randomInt } from "node:crypto";
import type { CreateWebhookEndpoint } from "@tl-engine/contract";
import type pg from "pg";
import { inTransaction } from "../db/transaction.ts";
import type { SecretBox } from "../secrets/secret-box.ts";
import { TooManyWebhookEndpointsError } from "./endpoint-errors.ts";
import { endpointColumns, type EndpointRow } from "./endpoint-record.ts";
import { endpointSecretContext, newSigningSecret } from "./signing-secret.ts";

/** Endpoints that one caller may have. */
export const maxEndpoints = 50;

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz";

function newEndpointId(): string {
  return `whe_${Array.from({ length: 24 }, () => alphabet[randomInt(alphabet.length)]).join("")}`;
}

/**
 * Registers an address for a caller.
 * @returns the endpoint and its secret, which is shown this once
 * @throws TooManyWebhookEndpointsError
 */
export async function createEndpoint(
  pool: pg.Pool,
  box: SecretBox,
  callerId: string,
  wanted: CreateWebhookEndpoint,
): Promise<{ endpoint: EndpointRow; secret: string }> {
  const id = newEndpointId();
  const secret = newSigningSecret();
  const { rows } = await inTransaction(pool, async (client) => {
    // Those of one caller one after the other, so that the ceiling holds for requests that come at once too.
    await client.query(
      "SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints ' || $1, 0))",
      [callerId],
    );
    return client.query<EndpointRow>(
      `INSERT INTO webhook_endpoints AS w (id, caller_id, url, description, events, engines, secret)
       SELECT $1, $2::text, $3, $4, $5::text[], $6::text[], $7
       WHERE (SELECT count(*) FROM webhook_endpoints WHERE caller_id = $2::text) < ${maxEndpoints}
       RETURNING ${endpointColumns}`,
      [
        id,
        callerId,
        wanted.url,
        wanted.description ?? "",
        wanted.events == null ? null : [...new Set(wanted.events)],
        wanted.engines == null ? null : [...new Set(wanted.engines)],
        box.seal(secret, endpointSecretContext(id)),
      ],
    );
  });
  const endpoint = rows[0];
  if (endpoint === undefined) throw new TooManyWebhookEndpointsError(maxEndpoints);
  return { endpoint, secret };
}
