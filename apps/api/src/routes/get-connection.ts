import { createRoute } from "@hono/zod-openapi";
import { connectionDetailSchema } from "@tl-engine/contract";
import { describeCircuit } from "@tl-engine/shared/breakers/describe-circuit.ts";
import { getConnection as get } from "@tl-engine/shared/connections/get-connection.ts";
import { connectionIdOfPath } from "../connection-id.ts";
import type { Endpoint } from "../endpoint.ts";
import { connectionIdParameter, json, planeCredential, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /api/v1/connections/{connection_id} */
export const getConnection: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/connections/{connection_id}",
    operationId: "getConnection",
    summary: "A connection",
    tags: ["Connections"],
    security: planeCredential,
    request: { params: connectionIdParameter },
    responses: {
      200: json("The connection, without its secrets, and its circuit", connectionDetailSchema),
      ...problemsOf("connection_not_found"),
    },
  }),
  access: "connections:admin",
  async handle(c, { db }) {
    const connection = await get(db, connectionIdOfPath(c));
    readQuery(c, []);
    const circuit =
      connection.breaker === null ? null : await describeCircuit(db.pool, connection.id);
    return c.json({ ...connection, circuit });
  },
};
