import { createRoute } from "@hono/zod-openapi";
import { callbackListSchema } from "@tl-engine/contract";
import { readCallbacks } from "@tl-engine/shared/callbacks/deliveries.ts";
import type { Endpoint } from "../endpoint.ts";
import { readExecutionId } from "../execution-answer.ts";
import { executionNotFound, missing } from "../missing-execution.ts";
import { anyCredential, executionIdParameter, json, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

const bare = { output: false, input: false, attempts: false, calls: false };

/** GET /api/v1/executions/{execution_id}/callbacks: whom its end is told to, and what came of it. */
export const getCallbacks: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/executions/{execution_id}/callbacks",
    operationId: "getExecutionCallbacks",
    summary: "Who is told of an execution's end, and what came of it",
    description:
      "Empty until it is finished, and where nobody is told. Each try is in the outbound log too, with the purpose `callback`.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { params: executionIdParameter },
    responses: {
      200: json("One for each address", callbackListSchema),
      ...problemsOf("execution_not_found", "execution_purged"),
    },
  }),
  access: "executions:read",
  async handle(c, deps) {
    const id = readExecutionId(c.req.param("execution_id") ?? "");
    if (id === null) throw executionNotFound();
    c.set("executionId", id);
    const caller = c.get("caller");
    if ((await deps.reader.read(caller, id, bare)) === null) throw await missing(deps, caller, id);
    readQuery(c, []);
    return c.json({ callbacks: await readCallbacks(deps.db.pool, id) });
  },
};
