import { createRoute } from "@hono/zod-openapi";
import { deleteConnection as remove } from "@tl-engine/shared/connections/delete-connection.ts";
import { getConnection } from "@tl-engine/shared/connections/get-connection.ts";
import { checkNoBody } from "../check-no-body.ts";
import { connectionIdOfPath } from "../connection-id.ts";
import type { Endpoint } from "../endpoint.ts";
import { connectionIdParameter, planeCredential, problemsOf } from "../openapi-parts.ts";

/** DELETE /api/v1/connections/{connection_id}: removes it with its secrets. */
export const deleteConnection: Endpoint = {
  route: createRoute({
    method: "delete",
    path: "/api/v1/connections/{connection_id}",
    operationId: "deleteConnection",
    summary: "Delete a connection",
    description:
      "Its secrets go with it. Executions that need it from then on fail with `outbound_refused`; those that wait for it are let go, and fail so.",
    tags: ["Connections"],
    security: planeCredential,
    request: { params: connectionIdParameter },
    responses: {
      204: { description: "Deleted" },
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
    const id = connectionIdOfPath(c);
    await checkNoBody(c, deps, async () => void (await getConnection(deps.db, id)));
    await remove(deps.db, deps.signals, id);
    return c.body(null, 204);
  },
};
