import { createRoute } from "@hono/zod-openapi";
import { changeWebhookEndpointSchema, webhookEndpointSchema } from "@tl-engine/contract";
import { changeEndpoint } from "@tl-engine/shared/callbacks/change-endpoint.ts";
import { describeEndpoint } from "@tl-engine/shared/callbacks/endpoint-record.ts";
import { checkBody } from "../body-errors.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import {
  anyCredential,
  json,
  jsonRequest,
  problemsOf,
  webhookEndpointIdParameter,
} from "../openapi-parts.ts";
import { ownWebhookEndpoint } from "../own-webhook-endpoint.ts";
import { readQuery } from "../query.ts";

/** PATCH /api/v1/webhook-endpoints/{webhook_endpoint_id}: changes the members that are given. */
export const changeWebhookEndpoint: Endpoint = {
  route: createRoute({
    method: "patch",
    path: "/api/v1/webhook-endpoints/{webhook_endpoint_id}",
    operationId: "changeWebhookEndpoint",
    summary: "Change a webhook endpoint",
    description:
      "What is not delivered yet goes to the new address. Switched off, what it is still owed ends as `disabled`.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: webhookEndpointIdParameter, body: jsonRequest(changeWebhookEndpointSchema) },
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
    const raw = await readJsonBody(c, deps.settings.maxBodyBytes);
    readQuery(c, []);
    const changes = checkBody(changeWebhookEndpointSchema, raw);
    return c.json(
      describeEndpoint(await changeEndpoint(deps.db.pool, c.get("caller").id, id, changes)),
    );
  },
};
