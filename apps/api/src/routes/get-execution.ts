import { createRoute } from "@hono/zod-openapi";
import { executionSchema } from "@tl-engine/contract";
import { z } from "zod";
import type { Endpoint } from "../endpoint.ts";
import { answerExecution } from "../execution-answer.ts";
import {
  anyCredential,
  conditionalHeaders,
  executionIdParameter,
  json,
  notModified,
  problemsOf,
  waitQuery,
} from "../openapi-parts.ts";

/** GET /api/v1/executions/{execution_id}: the execution's lasting address. */
export const getExecution: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/executions/{execution_id}",
    operationId: "getExecution",
    summary: "An execution",
    tags: ["Executions"],
    security: anyCredential,
    request: {
      params: executionIdParameter,
      headers: conditionalHeaders,
      query: z.object({
        wait: waitQuery,
        include: z.string().optional().meta({ example: "attempts,calls,input" }),
      }),
    },
    responses: {
      200: json("The execution", executionSchema, "ETag", "Retry-After"),
      304: notModified,
      ...problemsOf("execution_not_found", "execution_purged"),
    },
  }),
  access: "executions:read",
  handle: (c, deps) => answerExecution(c, deps, { idText: c.req.param("execution_id") ?? "" }),
};
