import { createRoute } from "@hono/zod-openapi";
import { connectionTestSchema, testConnectionSchema } from "@tl-engine/contract";
import { getConnection } from "@tl-engine/shared/connections/get-connection.ts";
import { checkBody } from "../body-errors.ts";
import { connectionIdOfPath } from "../connection-id.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import {
  connectionIdParameter,
  json,
  jsonRequest,
  planeCredential,
  problemsOf,
} from "../openapi-parts.ts";
import { readQuery } from "../query.ts";
import { tryConnection } from "../try-connection.ts";

/** POST /api/v1/connections/{connection_id}/test: makes one call through it. */
export const testConnection: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/connections/{connection_id}/test",
    operationId: "testConnection",
    summary: "Try a connection",
    description:
      "A worker makes one GET (or HEAD) through it, also while it is switched off; waits for at most 20 s. It is `ok` where the answer is below 400, or 404 or 405 where no path was given. gRPC: the health service is asked; WebSocket: the handshake; SMTP: not yet.",
    tags: ["Connections"],
    security: planeCredential,
    request: { params: connectionIdParameter, body: jsonRequest(testConnectionSchema, false) },
    responses: {
      200: json("What came of it", connectionTestSchema),
      ...problemsOf(
        "connection_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
      ),
    },
  }),
  access: "connections:admin",
  async handle(c, deps) {
    const connection = await getConnection(deps.db, connectionIdOfPath(c));
    // No body says the default; a body of `null` is a body, and a wrong one.
    const raw = await readJsonBody(c, deps.settings.maxBodyBytes);
    readQuery(c, []);
    const wanted = raw === undefined ? {} : checkBody(testConnectionSchema, raw);
    return c.json(await tryConnection(c, deps, connection, wanted));
  },
};
