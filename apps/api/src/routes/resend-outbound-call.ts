import { createRoute } from "@hono/zod-openapi";
import { acceptedSchema, callbackDeliverySchema } from "@tl-engine/contract";
import { hasExecuteScope, seesEngine } from "@tl-engine/shared/callers/caller.ts";
import { resendTag } from "@tl-engine/shared/outbound-log/call-json.ts";
import { readCall, type FoundCall } from "@tl-engine/shared/outbound-log/read-call.ts";
import { demandSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import { z } from "zod";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { readExecutionId } from "../execution-answer.ts";
import { readIdempotencyKey } from "../idempotency-key.ts";
import { forbidden } from "../middleware/require-access.ts";
import { callNotFound } from "../missing-call.ts";
import {
  anyCredential,
  callIdParameter,
  json,
  problemsOf,
  submitHeaders,
} from "../openapi-parts.ts";
import { Refusal } from "../problem.ts";
import { resendAsCallback } from "../resend-as-callback.ts";
import { inputOf, requestOf } from "../resend-call.ts";
import { submitExecution } from "../submit-execution.ts";

/** The engine that sends calls again. */
const engineId = "http.request";

/** POST /api/v1/outbound-calls/{call_id}/resend: the very request once more, by an execution of its own. */
export const resendOutboundCall: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/outbound-calls/{call_id}/resend",
    operationId: "resendOutboundCall",
    summary: "Send a call to the outside again",
    description:
      "A new execution of `http.request` makes the same request, with the tag `resend_of:<call_id>`; `Location` names it. Only calls through a connection that keeps bodies can be sent again. A callback is sent again as what it is: the same delivery under its `webhook-id`, signed anew.",
    tags: ["Outbound calls"],
    security: anyCredential,
    request: { params: callIdParameter, headers: submitHeaders },
    responses: {
      202: json(
        "Accepted; or the callback that is being sent",
        z.union([acceptedSchema, callbackDeliverySchema]),
        "Location",
        "Retry-After",
      ),
      ...problemsOf(
        "call_not_found",
        "engine_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "idempotency_mismatch",
        "not_resendable",
        "webhook_endpoint_disabled",
      ),
    },
  }),
  access: "executions:write",
  async handle(c, deps) {
    const caller = c.get("caller");
    const id = readExecutionId(c.req.param("call_id") ?? "");
    const found = async (): Promise<FoundCall> => {
      const call = id === null ? null : await readCall(deps.db.pool, caller, id);
      if (call === null) throw callNotFound();
      return call;
    };
    await checkNoBody(c, deps, async () => void (await found()));
    const idempotencyKey = readIdempotencyKey(c.req.header("idempotency-key"));
    const call = await found();
    // It depends on no scope of this address alone, and so comes after what the caller may not know of.
    if (!hasExecuteScope(caller, engineId)) throw forbidden(`engines:execute:${engineId}`);
    if (!seesEngine(caller, engineId)) {
      throw new Refusal("forbidden", `${engineId} sends calls again, and is not in the key's list`);
    }
    const delivery = await resendAsCallback(deps, caller, call);
    if (delivery !== null) {
      c.header("Location", `/api/v1/executions/${delivery.execution_id}/callbacks`);
      return c.json(delivery, 202);
    }
    const callId = id ?? "";
    const request = requestOf(call, callId, demandSecretBox(deps.secretBox));
    return submitExecution(c, deps, {
      engineRef: engineId,
      engine: await deps.catalogue.resolve(engineId),
      body: { input: inputOf(request, call.connection), tags: [`${resendTag}${callId}`] },
      idempotencyKey,
    });
  },
};
