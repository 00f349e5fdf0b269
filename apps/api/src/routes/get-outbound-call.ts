import { createRoute } from "@hono/zod-openapi";
import { outboundCallDetailSchema } from "@tl-engine/contract";
import { readCall } from "@tl-engine/shared/outbound-log/read-call.ts";
import type { Endpoint } from "../endpoint.ts";
import { jsonText, readExecutionId } from "../execution-answer.ts";
import { callNotFound } from "../missing-call.ts";
import { anyCredential, callIdParameter, json, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /api/v1/outbound-calls/{call_id}: one call, with its bodies where its connection keeps them. */
export const getOutboundCall: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/outbound-calls/{call_id}",
    operationId: "getOutboundCall",
    summary: "A call to the outside",
    tags: ["Outbound calls"],
    security: anyCredential,
    request: { params: callIdParameter },
    responses: { 200: json("The call", outboundCallDetailSchema), ...problemsOf("call_not_found") },
  }),
  access: "executions:read",
  async handle(c, { db }) {
    const id = readExecutionId(c.req.param("call_id") ?? "");
    const call = id && (await readCall(db.pool, c.get("caller"), id));
    if (!call) throw callNotFound();
    readQuery(c, []);
    return jsonText(c, 200, call.json);
  },
};
