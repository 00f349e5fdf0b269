import type { Connection } from "@tl-engine/outbound";
import type pg from "pg";
import type { SecretBox } from "../secrets/secret-box.ts";
import { endpointSecretContext } from "./signing-secret.ts";

/** For one message, ms. */
const timeouts = { connectMs: 5_000, firstByteMs: 15_000, totalMs: 15_000 };

/**
 * A caller's own endpoint as the door works with a connection: whatever goes through it is signed, by both secrets while
 * they are rotated.
 * @returns null where the caller has none of that id, or it is switched off
 * @throws SecretUnreadableError, and what Postgres says
 */
export async function readEndpointConnection(
  pool: pg.Pool,
  box: SecretBox,
  callerId: string,
  id: string,
): Promise<Connection | null> {
  const { rows } = await pool.query<{ url: string; secrets: string[] }>({
    name: "read-endpoint-connection",
    text: `SELECT url, array_remove(ARRAY[secret, CASE WHEN previous_ends_at > now() THEN previous_secret END], NULL) AS secrets
      FROM webhook_endpoints WHERE id = $1 AND caller_id = $2 AND is_active`,
    values: [id, callerId],
  });
  const [row] = rows;
  if (row === undefined) return null;
  const context = endpointSecretContext(id);
  return {
    id,
    kind: "http",
    // It is read for each call, and nothing is kept of it.
    revision: 0,
    baseUrl: row.url,
    headers: {},
    auth: {
      type: "hmac",
      scheme: "standard_webhooks",
      secrets: row.secrets.map((one) => box.open(one, context)),
      header: "",
      prefix: "",
    },
    tls: { ca: null, certificate: null, privateKey: null },
    timeouts,
    retry: { maxRetries: 0, initialMs: 0, maxMs: 0, maxRetryAfterMs: 0 },
    methods: ["POST"],
    paths: null,
    concurrency: null,
    rate: null,
    breaker: null,
    log: { bodies: false, maxBodyBytes: 0 },
  };
}
