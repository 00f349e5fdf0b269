import { createRoute } from "@hono/zod-openapi";
import { executionSchema } from "@tl-engine/contract";
import { cancelExecution as cancel } from "@tl-engine/shared/executions/cancel.ts";
import { describeExecution, etagOf } from "@tl-engine/shared/executions/describe.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { jsonText, readExecutionId } from "../execution-answer.ts";
import { executionNotFound, missing } from "../missing-execution.ts";
import { anyCredential, executionIdParameter, json, problemsOf } from "../openapi-parts.ts";
import { Refusal } from "../problem.ts";
import { retryAfterSeconds } from "../retry-after.ts";

/** POST /api/v1/executions/{execution_id}/cancel */
export const cancelExecution: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/executions/{execution_id}/cancel",
    operationId: "cancelExecution",
    summary: "Cancel an execution",
    description: "Asking again is safe.",
    tags: ["Executions"],
    security: anyCredential,
    request: { params: executionIdParameter },
    responses: {
      200: json("Canceled: it did not run, or has been stopped", executionSchema, "ETag"),
      202: json("It runs, and was asked to stop", executionSchema, "ETag", "Retry-After"),
      ...problemsOf(
        "execution_not_found",
        "execution_purged",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "execution_finished",
      ),
    },
  }),
  access: "executions:write",
  async handle(c, deps) {
    const caller = c.get("caller");
    const id = readExecutionId(c.req.param("execution_id") ?? "");
    if (id === null) throw executionNotFound();
    c.set("executionId", id);
    const bare = { output: false, input: false, attempts: false, calls: false };
    await checkNoBody(c, deps, async () => {
      const row = await deps.reader.read(caller, id, bare);
      if (row === null) throw await missing(deps, caller, id);
    });
    const result = await cancel(deps.db.pool, deps.signals, caller, id);
    switch (result.kind) {
      case "not_found":
        throw await missing(deps, caller, id);
      case "finished":
        throw new Refusal("execution_finished", "The execution is finished already");
      case "canceled":
      case "requested": {
        c.header("ETag", etagOf(result.row));
        const text = describeExecution(result.row, { output: true });
        if (result.kind === "canceled") return jsonText(c, 200, text);
        c.header("Retry-After", String(retryAfterSeconds(result.row, deps.now())));
        return jsonText(c, 202, text);
      }
    }
  },
};
