import { createRoute } from "@hono/zod-openapi";
import { webhookEndpointSchema } from "@tl-engine/contract";
import { describeEndpoint } from "@tl-engine/shared/callbacks/endpoint-record.ts";
import { readEndpoint } from "@tl-engine/shared/callbacks/read-endpoints.ts";
import type { Endpoint } from "../endpoint.ts";
import { anyCredential, json, problemsOf, webhookEndpointIdParameter } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";
import { webhookEndpointIdOfPath } from "../webhook-endpoint-id.ts";

/** GET /api/v1/webhook-endpoints/{webhook_endpoint_id} */
export const getWebhookEndpoint: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/webhook-endpoints/{webhook_endpoint_id}",
    operationId: "getWebhookEndpoint",
    summary: "A webhook endpoint",
    description: "One that is switched off says why, one that fails since when and with what.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: webhookEndpointIdParameter },
    responses: {
      200: json("The endpoint, without its secret", webhookEndpointSchema),
      ...problemsOf("webhook_endpoint_not_found"),
    },
  }),
  access: "executions:read",
  async handle(c, { db }) {
    const endpoint = await readEndpoint(db.pool, c.get("caller"), webhookEndpointIdOfPath(c));
    readQuery(c, []);
    return c.json(describeEndpoint(endpoint));
  },
};
