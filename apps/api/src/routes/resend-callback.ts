import { createRoute } from "@hono/zod-openapi";
import { callbackDeliverySchema } from "@tl-engine/contract";
import { readDelivery } from "@tl-engine/shared/callbacks/deliveries.ts";
import { resendDelivery } from "@tl-engine/shared/callbacks/resend.ts";
import type { ApiDeps } from "../api-deps.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { ApiContext, Endpoint } from "../endpoint.ts";
import { readExecutionId } from "../execution-answer.ts";
import {
  anyCredential,
  callbackIdParameter,
  executionIdParameter,
  json,
  problemsOf,
} from "../openapi-parts.ts";
import { Refusal } from "../problem.ts";
import { refuseDisabled } from "../resend-as-callback.ts";

const bare = { output: false, input: false, attempts: false, calls: false };

function callbackNotFound(): Refusal {
  return new Refusal("callback_not_found", "There is no such callback of this execution");
}

/** @returns the delivery's id @throws Refusal 404 */
async function findCallback(c: ApiContext, { db, reader }: ApiDeps): Promise<string> {
  const execution = readExecutionId(c.req.param("execution_id") ?? "");
  const id = readExecutionId(c.req.param("callback_id") ?? "");
  if (execution === null || id === null) throw callbackNotFound();
  c.set("executionId", execution);
  if ((await reader.read(c.get("caller"), execution, bare)) === null) throw callbackNotFound();
  if ((await readDelivery(db.pool, id))?.execution_id !== execution) throw callbackNotFound();
  return id;
}

/** POST /api/v1/executions/{execution_id}/callbacks/{callback_id}/resend */
export const resendCallback: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/executions/{execution_id}/callbacks/{callback_id}/resend",
    operationId: "resendCallback",
    summary: "Send a callback again",
    description:
      "At once, whatever came of it before, signed anew and under the same `webhook-id`; its schedule begins from the start.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: executionIdParameter.extend(callbackIdParameter.shape) },
    responses: {
      202: json("It is being sent", callbackDeliverySchema),
      ...problemsOf(
        "callback_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "webhook_endpoint_disabled",
      ),
    },
  }),
  access: "executions:write",
  async handle(c, deps) {
    const id = await findCallback(c, deps);
    await checkNoBody(c, deps, () => Promise.resolve());
    const result = await resendDelivery(deps.db.pool, c.get("caller"), id);
    refuseDisabled(result);
    const delivery = result === "not_found" ? null : await readDelivery(deps.db.pool, id);
    if (delivery === null) throw callbackNotFound();
    return c.json(delivery, 202);
  },
};
