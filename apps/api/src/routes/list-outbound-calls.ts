import { createRoute } from "@hono/zod-openapi";
import { outboundCallListSchema, outboundProtocols, outboundPurposes } from "@tl-engine/contract";
import { listCalls } from "@tl-engine/shared/outbound-log/list-calls.ts";
import { z } from "zod";
import { callFilterNames, callResults, readCallFilters } from "../call-filters.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Endpoint } from "../endpoint.ts";
import { jsonText, readExecutionId } from "../execution-answer.ts";
import { anyCredential, json, pageQuery, problemsOf } from "../openapi-parts.ts";
import { readLimit, readQuery } from "../query.ts";

const listName = "outbound-calls";

/** GET /api/v1/outbound-calls: what the caller's executions sent to the outside, newest first; tl-plane sees everybody's. */
export const listOutboundCalls: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/outbound-calls",
    operationId: "listOutboundCalls",
    summary: "Calls to the outside, newest first",
    description:
      "Every try over every protocol. A page looks at up to 10,000 calls: with filters that few of them pass it may be short, or empty, and still have a `next_cursor`.",
    tags: ["Outbound calls"],
    security: anyCredential,
    request: {
      query: z.object({
        execution_id: z.string().optional().meta({ format: "uuid" }),
        engine: z.string().optional().meta({ example: "http.request" }),
        connection: z.string().optional().meta({ example: "crm" }),
        protocol: z.enum(outboundProtocols).optional(),
        host: z.string().optional().meta({ example: "api.example.com" }),
        status: z.string().optional().meta({ example: "5xx", description: "`404`, or a class" }),
        result: z.enum(callResults).optional().meta({
          description: "`failed`: ended with an error, or was answered with 400 or more",
        }),
        error_code: z.string().optional().meta({ example: "connection_failed" }),
        purpose: z.enum(outboundPurposes).optional(),
        attempt: z.int().min(1).max(1_000).optional(),
        started_after: z.string().optional().meta({ format: "date-time" }),
        started_before: z.string().optional().meta({ format: "date-time" }),
        ...pageQuery,
      }),
    },
    responses: { 200: json("A page of calls", outboundCallListSchema), ...problemsOf() },
  }),
  access: "executions:read",
  async handle(c, { db }) {
    const query = readQuery(c, [...callFilterNames, "cursor", "limit"]);
    const filters = readCallFilters(query);
    const limit = readLimit(query.limit);
    const before = readCursor(listName, query.cursor, readExecutionId);
    const { calls, next } = await listCalls(db.pool, c.get("caller"), filters, { before, limit });
    const cursor = next === null ? null : makeCursor(listName, next);
    return jsonText(
      c,
      200,
      `{"calls":[${calls.join(",")}],"next_cursor":${JSON.stringify(cursor)}}`,
    );
  },
};
