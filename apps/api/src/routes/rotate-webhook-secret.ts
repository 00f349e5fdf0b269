import { createRoute } from "@hono/zod-openapi";
import { rotateSigningSecretSchema, webhookEndpointWithSecretSchema } from "@tl-engine/contract";
import { rotateEndpointSecret } from "@tl-engine/shared/callbacks/change-endpoint.ts";
import { describeEndpoint } from "@tl-engine/shared/callbacks/endpoint-record.ts";
import { demandSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
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
import { readSigningOverlap } from "../signing-overlap.ts";

/** POST /api/v1/webhook-endpoints/{webhook_endpoint_id}/rotate-secret */
export const rotateWebhookSecret: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/webhook-endpoints/{webhook_endpoint_id}/rotate-secret",
    operationId: "rotateWebhookSecret",
    summary: "Give a webhook endpoint another secret",
    description:
      "Both sign for `overlap`: 24 h where it is left out, at most 7 d; `0s` ends the old one now.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: {
      params: webhookEndpointIdParameter,
      body: jsonRequest(rotateSigningSecretSchema, false),
    },
    responses: {
      201: json("The endpoint and, this once, its new secret", webhookEndpointWithSecretSchema),
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
    const overlapMs = readSigningOverlap(raw);
    const box = demandSecretBox(deps.secretBox);
    const callerId = c.get("caller").id;
    const rotated = await rotateEndpointSecret(deps.db.pool, box, callerId, id, overlapMs);
    return c.json({ ...describeEndpoint(rotated.endpoint), secret: rotated.secret }, 201);
  },
};
