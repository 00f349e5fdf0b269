import { createRoute } from "@hono/zod-openapi";
import { executionListSchema, executionStatuses } from "@tl-engine/contract";
import { listExecutions, type ListFilters } from "@tl-engine/shared/executions/list.ts";
import { z } from "zod";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Endpoint } from "../endpoint.ts";
import { parseEngineRef } from "../engine-ref.ts";
import { readExecutionId } from "../execution-answer.ts";
import { answerExecutions } from "../execution-list-body.ts";
import { readInclude } from "../include.ts";
import { anyCredential, json, pageQuery, problemsOf } from "../openapi-parts.ts";
import { malformed, readLimit, readQuery, readTime } from "../query.ts";

const parameters = [
  "status",
  "engine",
  "tag",
  "created_after",
  "created_before",
  "cursor",
  "limit",
  "include",
] as const;
type Query = Partial<Record<(typeof parameters)[number], string>>;

/** @throws Refusal 400 */
function readFilters(query: Query): ListFilters {
  const status = executionStatuses.find((known) => known === query.status);
  if (query.status !== undefined && status === undefined) {
    throw malformed(`The query parameter status is one of ${executionStatuses.join(", ")}`);
  }
  const engine = query.engine === undefined ? undefined : parseEngineRef(query.engine);
  if (engine === null) throw malformed("The query parameter engine names no engine");
  if (query.tag !== undefined && (query.tag === "" || query.tag.length > 64)) {
    throw malformed("The query parameter tag is a tag of 1 to 64 characters");
  }
  const createdAfter = readTime("created_after", query.created_after);
  const createdBefore = readTime("created_before", query.created_before);
  return {
    ...(status && { status }),
    ...(engine && { engine: engine.id }),
    ...(engine?.version && { version: engine.version }),
    ...(query.tag !== undefined && { tag: query.tag }),
    ...(createdAfter && { createdAfter }),
    ...(createdBefore && { createdBefore }),
  };
}

/** GET /api/v1/executions: the caller's own executions, newest first; tl-plane sees everybody's. */
export const listOwnExecutions: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/executions",
    operationId: "listExecutions",
    summary: "The caller's executions, newest first",
    tags: ["Executions"],
    security: anyCredential,
    request: {
      query: z.object({
        status: z.enum(executionStatuses).optional(),
        engine: z.string().optional().meta({ example: "echo" }),
        tag: z.string().optional(),
        created_after: z.string().optional().meta({ format: "date-time" }),
        created_before: z.string().optional().meta({ format: "date-time" }),
        ...pageQuery,
        include: z.string().optional().meta({
          description: "`output`, `input`, `attempts`, `calls`, comma-separated",
        }),
      }),
    },
    responses: { 200: json("A page of executions", executionListSchema), ...problemsOf() },
  }),
  access: "executions:read",
  async handle(c, deps) {
    const query = readQuery(c, parameters);
    const filters = readFilters(query);
    const include = readInclude(query.include, false);
    const limit = readLimit(query.limit);
    const beforeId = readCursor("executions", query.cursor, readExecutionId);
    const { rows, more } = await listExecutions(
      deps.db.pool,
      c.get("caller"),
      filters,
      { beforeId, limit },
      { ...include, output: false },
    );
    const last = more ? rows.at(-1) : undefined;
    return answerExecutions(c, deps, rows, include, {
      next_cursor: last === undefined ? null : makeCursor("executions", last.id),
    });
  },
};
