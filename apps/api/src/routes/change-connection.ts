import { createRoute } from "@hono/zod-openapi";
import { changeConnectionSchema, connectionSchema } from "@tl-engine/contract";
import { changeConnection as change } from "@tl-engine/shared/connections/change-connection.ts";
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

/** PATCH /api/v1/connections/{connection_id}: replaces the members that are given. */
export const changeConnection: Endpoint = {
  route: createRoute({
    method: "patch",
    path: "/api/v1/connections/{connection_id}",
    operationId: "changeConnection",
    summary: "Change a connection",
    description:
      "Members that are given are replaced whole. Secrets that are left out of `auth` or `tls` stay, those of `auth` while its type stays the same.",
    tags: ["Connections"],
    security: planeCredential,
    request: { params: connectionIdParameter, body: jsonRequest(changeConnectionSchema) },
    responses: {
      200: json("The connection as it is now", connectionSchema),
      ...problemsOf(
        "connection_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
      ),
    },
  }),
  access: "connections:admin",
  async handle(c, { db, signals, secretBox, settings }) {
    const { id } = await getConnection(db, connectionIdOfPath(c));
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const changes = checkBody(changeConnectionSchema, raw);
    return c.json(await change({ db, signals, box: secretBox }, id, changes));
  },
};
