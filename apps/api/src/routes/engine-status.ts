import { createRoute } from "@hono/zod-openapi";
import { engineStatusSchema, executionSchema } from "@tl-engine/contract";
import { readEngineFigures } from "@tl-engine/shared/executions/figures.ts";
import { z } from "zod";
import type { Endpoint } from "../endpoint.ts";
import { engineNotFound, engineOfPath } from "../engine-ref.ts";
import { describeEngineStatus } from "../engine-figures.ts";
import { answerExecution } from "../execution-answer.ts";
import {
  anyCredential,
  conditionalHeaders,
  engineIdParameter,
  json,
  notModified,
  problemsOf,
  waitQuery,
} from "../openapi-parts.ts";
import { malformed, readQuery } from "../query.ts";

/** GET /api/v1/engines/{engine_id}/status: one execution of the engine, or the engine's own state. */
export const engineStatus: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/engines/{engine_id}/status",
    operationId: "getEngineStatus",
    summary: "An execution's status, or the engine's state",
    description:
      "With `execution_id`: that execution (scope `executions:read`). Without: the engine's state and figures.",
    tags: ["Executions", "Engines"],
    security: anyCredential,
    request: {
      params: engineIdParameter,
      headers: conditionalHeaders,
      query: z.object({
        execution_id: z.string().optional(),
        wait: waitQuery,
        include: z.string().optional().meta({ example: "attempts,calls,input" }),
      }),
    },
    responses: {
      200: json(
        "The execution, or the engine's state",
        z.union([executionSchema, engineStatusSchema]),
        "ETag",
        "Retry-After",
      ),
      304: notModified,
      ...problemsOf("engine_not_found", "execution_not_found", "execution_purged"),
    },
  }),
  access: (c) => (c.req.query("execution_id") === undefined ? "engines:read" : "executions:read"),
  async handle(c, deps) {
    const asked = engineOfPath(c.req.param("engine_id") ?? "", c.get("caller"));
    const idText = c.req.query("execution_id");
    if (idText !== undefined) {
      return answerExecution(c, deps, {
        idText,
        parameters: ["execution_id"],
        belongs: (row) =>
          row.engine_id === asked.id && (asked.version === null || row.version === asked.version),
      });
    }
    if ((await deps.catalogue.resolve(asked.ref)) === null) throw engineNotFound();
    const query = readQuery(c, ["execution_id", "wait", "include"]);
    if (Object.keys(query).length > 0) {
      throw malformed("The query parameters wait and include need an execution_id");
    }
    const [figures] = await readEngineFigures(deps.db.pool, [asked.id]);
    return c.json(describeEngineStatus(asked.id, figures));
  },
};
