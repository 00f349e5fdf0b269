import { createRoute } from "@hono/zod-openapi";
import { webhookEndpointSchema } from "@tl-engine/contract";
import { changeEndpoint } from "@tl-engine/shared/callbacks/change-endpoint.ts";
import { describeEndpoint } from "@tl-engine/shared/callbacks/endpoint-record.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { anyCredential, json, problemsOf, webhookEndpointIdParameter } from "../openapi-parts.ts";
import { ownWebhookEndpoint } from "../own-webhook-endpoint.ts";

/** POST /api/v1/webhook-endpoints/{webhook_endpoint_id}/enable */
export const enableWebhookEndpoint: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/webhook-endpoints/{webhook_endpoint_id}/enable",
    operationId: "enableWebhookEndpoint",
    summary: "Switch a webhook endpoint on again",
    description:
      "It begins anew, without a history of failures. What ended as `disabled` meanwhile stays so; each can be sent again.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: webhookEndpointIdParameter },
    responses: {
      200: json("The endpoint as it is now", webhookEndpointSchema),
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
    const changes = { is_active: true };
    return c.json(
      describeEndpoint(await changeEndpoint(deps.db.pool, c.get("caller").id, id, changes)),
    );
  },
};
