import type { WebhookEndpoint, webhookEvents } from "@tl-engine/contract";
import type { CallerRef } from "../executions/row.ts";

type WebhookEvent = (typeof webhookEvents)[number];

/** An endpoint as it is read; its secrets are not part of it. */
export interface EndpointRow {
  id: string;
  caller_id: string;
  url: string;
  description: string;
  events: WebhookEvent[] | null;
  engines: string[] | null;
  is_active: boolean;
  disabled_at: Date | null;
  disabled_reason: "gone" | "failing" | "by_request" | null;
  failing_since: Date | null;
  last_error: string | null;
  previous_ends_at: Date | null;
  created_at: Date;
}

/** The select list that makes an {@link EndpointRow} of `webhook_endpoints w`. */
export const endpointColumns = `w.id, w.caller_id, w.url, w.description, w.events, w.engines, w.is_active, w.disabled_at,
  w.disabled_reason, w.failing_since, w.last_error,
  CASE WHEN w.previous_ends_at > now() THEN w.previous_ends_at END AS previous_ends_at, w.created_at`;

/** The condition for what a caller sees, with its parameter at `$place`: his own; tl-plane: all. */
export function visibleTo(caller: CallerRef, place: number): { sql: string; value: string | null } {
  return {
    sql: `($${place}::text IS NULL OR w.caller_id = $${place})`,
    value: caller.kind === "plane" ? null : caller.id,
  };
}

/** An endpoint as JSON. */
export function describeEndpoint(row: EndpointRow): WebhookEndpoint {
  return {
    id: row.id,
    caller: row.caller_id,
    url: row.url,
    description: row.description,
    events: row.events,
    engines: row.engines,
    is_active: row.is_active,
    disabled_at: row.disabled_at?.toISOString() ?? null,
    disabled_reason: row.disabled_reason,
    failing_since: row.failing_since?.toISOString() ?? null,
    last_error: row.last_error,
    previous_secret_ends_at: row.previous_ends_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}
