import type pg from "pg";
import type { CallerRef } from "../executions/row.ts";
import { WebhookEndpointNotFoundError } from "./endpoint-errors.ts";
import { endpointColumns, visibleTo, type EndpointRow } from "./endpoint-record.ts";

/** @throws WebhookEndpointNotFoundError where the caller sees no such endpoint; tl-plane sees all */
export async function readEndpoint(
  pool: pg.Pool,
  caller: CallerRef,
  id: string,
): Promise<EndpointRow> {
  const visible = visibleTo(caller, 2);
  const { rows } = await pool.query<EndpointRow>({
    name: "read-webhook-endpoint",
    text: `SELECT ${endpointColumns} FROM webhook_endpoints w WHERE w.id = $1 AND ${visible.sql}`,
    values: [id, visible.value],
  });
  if (rows[0] === undefined) throw new WebhookEndpointNotFoundError(id);
  return rows[0];
}

/** Whether an endpoint is the caller's own; tl-plane's own too, where it is tl-plane that asks. */
export async function ownsEndpoint(pool: pg.Pool, callerId: string, id: string): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: "owns-webhook-endpoint",
    text: "SELECT FROM webhook_endpoints WHERE id = $1 AND caller_id = $2",
    values: [id, callerId],
  });
  return rowCount === 1;
}

export interface EndpointPage {
  readonly endpoints: readonly EndpointRow[];
  /** Where the next page goes on, to be handed in as `after`; null at the end. */
  readonly nextPlace: string | null;
}

/**
 * The caller's endpoints, newest first; tl-plane: everybody's.
 * @param after `nextPlace` of the page before
 */
export async function listEndpoints(
  pool: pg.Pool,
  caller: CallerRef,
  { limit, after }: { limit: number; after: string | null },
): Promise<EndpointPage> {
  const visible = visibleTo(caller, 1);
  const [createdAt = null, id = null] = after?.split(" ") ?? [];
  const { rows } = await pool.query<EndpointRow>(
    `SELECT ${endpointColumns} FROM webhook_endpoints w
     WHERE ${visible.sql} AND ($2::timestamptz IS NULL OR (w.created_at, w.id) < ($2, $3::text))
     ORDER BY w.created_at DESC, w.id DESC LIMIT $4`,
    [visible.value, createdAt, id, limit + 1],
  );
  const endpoints = rows.slice(0, limit);
  const last = rows.length > limit ? endpoints.at(-1) : undefined;
  return { endpoints, nextPlace: last ? `${last.created_at.toISOString()} ${last.id}` : null };
}
