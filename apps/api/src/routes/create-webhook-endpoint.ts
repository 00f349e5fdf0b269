import { createRoute } from "@hono/zod-openapi";
import { createWebhookEndpointSchema, webhookEndpointWithSecretSchema } from "@tl-engine/contract";
import { createEndpoint } from "@tl-engine/shared/callbacks/create-endpoint.ts";
import { describeEndpoint } from "@tl-engine/shared/callbacks/endpoint-record.ts";
import { demandSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import { checkBody } from "../body-errors.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import { anyCredential, json, jsonRequest, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** POST /api/v1/webhook-endpoints: the caller registers an address that hears of his executions. */
export const createWebhookEndpoint: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/webhook-endpoints",
    operationId: "createWebhookEndpoint",
    summary: "Register an address that is told of what the caller's executions come to",
    description:
      "Deliveries are signed by Standard Webhooks with the endpoint's own secret. Where the address leads is judged when something is delivered: `…/test` tries it. A caller has at most 50.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { body: jsonRequest(createWebhookEndpointSchema) },
    responses: {
      201: json(
        "The endpoint and, this once, its secret",
        webhookEndpointWithSecretSchema,
        "Location",
      ),
      ...problemsOf("unsupported_media_type", "payload_too_large", "invalid_input"),
    },
  }),
  access: "executions:write",
  async handle(c, { db, secretBox, settings }) {
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const wanted = checkBody(createWebhookEndpointSchema, raw);
    const box = demandSecretBox(secretBox);
    const { endpoint, secret } = await createEndpoint(db.pool, box, c.get("caller").id, wanted);
    c.header("Location", `/api/v1/webhook-endpoints/${endpoint.id}`);
    return c.json({ ...describeEndpoint(endpoint), secret }, 201);
  },
};
