import { createRoute } from "@hono/zod-openapi";
import { deleteEndpoint } from "@tl-engine/shared/callbacks/change-endpoint.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { anyCredential, problemsOf, webhookEndpointIdParameter } from "../openapi-parts.ts";
import { ownWebhookEndpoint } from "../own-webhook-endpoint.ts";

/** DELETE /api/v1/webhook-endpoints/{webhook_endpoint_id}: removes it with its secret. */
export const deleteWebhookEndpoint: Endpoint = {
  route: createRoute({
    method: "delete",
    path: "/api/v1/webhook-endpoints/{webhook_endpoint_id}",
    operationId: "deleteWebhookEndpoint",
    summary: "Remove a webhook endpoint",
    description: "What it is still owed ends as `disabled`.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: webhookEndpointIdParameter },
    responses: {
      204: { description: "Removed" },
      ...problemsOf(
        "webhook_endpoint_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
      ),
    },
  }),
  access: "executions:write",
  async handle(c, deps) {
    const id = await ownWebhookEndpoint(c, deps);
    await checkNoBody(c, deps, () => Promise.resolve());
    await deleteEndpoint(deps.db.pool, c.get("caller").id, id);
    return c.body(null, 204);
  },
};
