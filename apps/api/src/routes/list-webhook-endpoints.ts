import { createRoute } from "@hono/zod-openapi";
import { webhookEndpointListSchema } from "@tl-engine/contract";
import { describeEndpoint } from "@tl-engine/shared/callbacks/endpoint-record.ts";
import { listEndpoints } from "@tl-engine/shared/callbacks/read-endpoints.ts";
import { z } from "zod";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Endpoint } from "../endpoint.ts";
import { anyCredential, json, pageQuery, problemsOf } from "../openapi-parts.ts";
import { readLimit, readQuery } from "../query.ts";

const placeForm = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) whe_[0-9a-z]{24}$/;

/** When an endpoint was made, and its id: as `listEndpoints` writes it, and with a time that there is. */
function endpointPlace(text: string): string | null {
  const [, time = ""] = placeForm.exec(text) ?? [];
  const parsed = new Date(time);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString() === time ? text : null;
}

/** GET /api/v1/webhook-endpoints: the caller's own, newest first; tl-plane: everybody's. */
export const listWebhookEndpoints: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/webhook-endpoints",
    operationId: "listWebhookEndpoints",
    summary: "The caller's webhook endpoints, newest first (tl-plane: everybody's)",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { query: z.object(pageQuery) },
    responses: {
      200: json("A page of endpoints, without secrets", webhookEndpointListSchema),
      ...problemsOf(),
    },
  }),
  access: "executions:read",
  async handle(c, { db }) {
    const query = readQuery(c, ["cursor", "limit"]);
    const limit = readLimit(query.limit);
    const after = readCursor("webhook_endpoints", query.cursor, endpointPlace);
    const page = await listEndpoints(db.pool, c.get("caller"), { limit, after });
    return c.json({
      webhook_endpoints: page.endpoints.map(describeEndpoint),
      next_cursor: page.nextPlace === null ? null : makeCursor("webhook_endpoints", page.nextPlace),
    });
  },
};
