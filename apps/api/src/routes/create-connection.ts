import { createRoute } from "@hono/zod-openapi";
import { connectionSchema, createConnectionSchema } from "@tl-engine/contract";
import { createConnection as create } from "@tl-engine/shared/connections/create-connection.ts";
import { checkBody } from "../body-errors.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import { json, jsonRequest, planeCredential, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** POST /api/v1/connections: tl-plane makes a way to reach an outside system. */
export const createConnection: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/connections",
    operationId: "createConnection",
    summary: "Make a connection to an outside system",
    description:
      "Its secrets are kept encrypted and never shown. Where base_url leads is judged when a call is made, not here: `…/test` tells.",
    tags: ["Connections"],
    security: planeCredential,
    request: { body: jsonRequest(createConnectionSchema) },
    responses: {
      201: json("The connection, without its secrets", connectionSchema, "Location"),
      ...problemsOf(
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "connection_exists",
      ),
    },
  }),
  access: "connections:admin",
  async handle(c, { db, signals, secretBox, settings }) {
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const wanted = checkBody(createConnectionSchema, raw);
    const made = await create({ db, signals, box: secretBox }, wanted);
    c.header("Location", `/api/v1/connections/${made.id}`);
    return c.json(made, 201);
  },
};
