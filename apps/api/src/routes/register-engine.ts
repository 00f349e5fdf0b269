import { createRoute } from "@hono/zod-openapi";
import { engineSchema, registerEngineSchema } from "@tl-engine/contract";
import { registerRemoteEngine } from "@tl-engine/shared/remote-engines/register-remote-engine.ts";
import { checkBody } from "../body-errors.ts";
import { describeRemote } from "../describe-remote.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import { json, jsonRequest, planeCredential, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** POST /api/v1/engines: tl-plane registers a version of a remote engine. */
export const registerEngine: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/engines",
    operationId: "registerEngine",
    summary: "Register a remote engine",
    description:
      "An engine whose work somebody else's service does, called through a connection. It can be executed like any other one. Its schemas stay as they are: a new version has new ones.",
    tags: ["Engines"],
    security: planeCredential,
    request: { body: jsonRequest(registerEngineSchema) },
    responses: {
      201: json("The engine", engineSchema, "Location"),
      ...problemsOf(
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "engine_exists",
      ),
    },
  }),
  access: "engines:admin",
  async handle(c, { db, signals, settings, catalogue }) {
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const wanted = checkBody(registerEngineSchema, raw);
    await registerRemoteEngine(db, signals, wanted);
    const { id, version } = wanted;
    c.header("Location", `/api/v1/engines/${id}@${version}`);
    return c.json(await describeRemote(catalogue, id, version), 201);
  },
};
