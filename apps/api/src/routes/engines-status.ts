import { createRoute } from "@hono/zod-openapi";
import { engineStatusListSchema, executionBatchSchema } from "@tl-engine/contract";
import { seesEngine } from "@tl-engine/shared/callers/caller.ts";
import { readEngineFigures } from "@tl-engine/shared/executions/figures.ts";
import { readExecutions } from "@tl-engine/shared/executions/read.ts";
import { readTombstones } from "@tl-engine/shared/executions/tombstones.ts";
import { z } from "zod";
import type { ApiDeps } from "../api-deps.ts";
import type { ApiContext, Endpoint } from "../endpoint.ts";
import { describeEngineStatus } from "../engine-figures.ts";
import { readExecutionId } from "../execution-answer.ts";
import { answerExecutions } from "../execution-list-body.ts";
import { readInclude } from "../include.ts";
import { describeTombstone } from "../missing-execution.ts";
import { anyCredential, json, problemsOf } from "../openapi-parts.ts";
import { malformed, readList, readQuery } from "../query.ts";

/** How many executions one request may ask for. */
const maxIds = 100;

async function answerAsked(c: ApiContext, deps: ApiDeps): Promise<Response> {
  const query = readQuery(c, ["execution_id", "include"]);
  const include = readInclude(query.include, false);
  const asked = readList("execution_id", query.execution_id, maxIds) ?? [];
  const ids = asked.map(readExecutionId).filter((id) => id !== null);
  const found = await readExecutions(deps.db.pool, c.get("caller"), ids, {
    ...include,
    output: false,
  });
  const byId = new Map(found.map((row) => [row.id, row]));
  const missing = [...new Set(ids)].filter((id) => !byId.has(id));
  const buried =
    missing.length === 0 ? [] : await readTombstones(deps.db.pool, c.get("caller"), missing);
  const known = new Set([...byId.keys(), ...buried.map((one) => one.execution_id)]);
  const isKnown = (text: string) => known.has(readExecutionId(text) ?? "");
  return answerExecutions(
    c,
    deps,
    [...new Set(ids)].flatMap((id) => byId.get(id) ?? []),
    include,
    {
      not_found: asked.filter((text) => !isKnown(text)),
      ...(buried.length > 0 && { purged: buried.map(describeTombstone) }),
    },
  );
}

/** GET /api/v1/engines/status: several executions at once, or every engine's state. */
export const enginesStatus: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/engines/status",
    operationId: "getStatus",
    summary: "Several executions, or the state of every engine",
    description:
      "With `execution_id=a,b,c` (up to 100): those executions (scope `executions:read`). Without: every engine's state.",
    tags: ["Executions", "Engines"],
    security: anyCredential,
    request: {
      query: z.object({
        execution_id: z.string().optional().meta({ description: "Up to 100 ids, comma-separated" }),
        include: z.string().optional().meta({ example: "output" }),
      }),
    },
    responses: {
      200: json(
        "The executions, or the engines",
        z.union([executionBatchSchema, engineStatusListSchema]),
      ),
      ...problemsOf(),
    },
  }),
  access: (c) => (c.req.query("execution_id") === undefined ? "engines:read" : "executions:read"),
  async handle(c, deps) {
    if (c.req.query("execution_id") !== undefined) return answerAsked(c, deps);
    if (Object.keys(readQuery(c, ["execution_id", "include"])).length > 0) {
      throw malformed("The query parameter include needs an execution_id");
    }
    await deps.catalogue.ready();
    const ids = deps.catalogue.ids().filter((id) => seesEngine(c.get("caller"), id));
    const figures = await readEngineFigures(deps.db.pool, ids);
    const byId = new Map(figures.map((one) => [one.id, one]));
    return c.json({ engines: ids.map((id) => describeEngineStatus(id, byId.get(id))) });
  },
};
