import { createRoute } from "@hono/zod-openapi";
import { connectionIdPattern, connectionListSchema } from "@tl-engine/contract";
import { listConnections as list } from "@tl-engine/shared/connections/list-connections.ts";
import { z } from "zod";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Endpoint } from "../endpoint.ts";
import { json, pageQuery, planeCredential, problemsOf } from "../openapi-parts.ts";
import { readLimit, readQuery } from "../query.ts";

/** GET /api/v1/connections: all connections, by id. */
export const listConnections: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/connections",
    operationId: "listConnections",
    summary: "The connections, by id",
    tags: ["Connections"],
    security: planeCredential,
    request: { query: z.object(pageQuery) },
    responses: {
      200: json("A page of connections, without secrets", connectionListSchema),
      ...problemsOf(),
    },
  }),
  access: "connections:admin",
  async handle(c, { db }) {
    const query = readQuery(c, ["cursor", "limit"]);
    const limit = readLimit(query.limit);
    const after = readCursor("connections", query.cursor, (id) =>
      connectionIdPattern.test(id) ? id : null,
    );
    const { connections, nextPlace } = await list(db, { limit, after });
    return c.json({
      connections,
      next_cursor: nextPlace === null ? null : makeCursor("connections", nextPlace),
    });
  },
};
