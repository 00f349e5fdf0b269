import { setTimeout as sleep } from "node:timers/promises";
import { createRoute } from "@hono/zod-openapi";
import { callbackDeliverySchema } from "@tl-engine/contract";
import { readDelivery } from "@tl-engine/shared/callbacks/deliveries.ts";
import { testEndpoint } from "@tl-engine/shared/callbacks/test-endpoint.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { anyCredential, json, problemsOf, webhookEndpointIdParameter } from "../openapi-parts.ts";
import { ownWebhookEndpoint } from "../own-webhook-endpoint.ts";
import { Refusal } from "../problem.ts";
import { webhookEndpointNotFound } from "../webhook-endpoint-id.ts";

/** How long the answer waits for what comes of it, ms: a try takes 15 s at most, and a worker looks each second. */
const patienceMs = 18_000;
const lookMs = 200;

/** POST /api/v1/webhook-endpoints/{webhook_endpoint_id}/test: sends a `test.ping` and says what came of it. */
export const testWebhookEndpoint: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/webhook-endpoints/{webhook_endpoint_id}/test",
    operationId: "testWebhookEndpoint",
    summary: "Send a test to a webhook endpoint",
    description:
      "A signed `test.ping`, sent once. The answer waits up to 18 s for what came of it; `status: pending` in it says that no worker has sent it yet.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: webhookEndpointIdParameter },
    responses: {
      200: json("What came of it", callbackDeliverySchema),
      ...problemsOf(
        "webhook_endpoint_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "webhook_endpoint_disabled",
      ),
    },
  }),
  access: "executions:write",
  async handle(c, deps) {
    const id = await ownWebhookEndpoint(c, deps);
    await checkNoBody(c, deps, () => Promise.resolve());
    const delivery = await testEndpoint(deps.db.pool, c.get("caller").id, id);
    if (delivery === null) {
      throw new Refusal(
        "webhook_endpoint_disabled",
        "The endpoint is switched off; enable it before it is tested",
      );
    }
    const until = performance.now() + patienceMs;
    for (;;) {
      const row = await readDelivery(deps.db.pool, delivery);
      // Removed meanwhile, with its endpoint or by newer tests.
      if (row === null) throw webhookEndpointNotFound();
      if (row.status !== "pending" || performance.now() >= until) return c.json(row);
      await sleep(lookMs, undefined, { signal: c.req.raw.signal }).catch(() => undefined);
      if (c.req.raw.signal.aborted) return c.json(row);
    }
  },
};
