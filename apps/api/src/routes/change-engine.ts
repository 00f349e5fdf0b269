import { createRoute } from "@hono/zod-openapi";
import { changeEngineSchema, engineSchema } from "@tl-engine/contract";
import { changeRemoteEngine } from "@tl-engine/shared/remote-engines/change-remote-engine.ts";
import { checkBody } from "../body-errors.ts";
import { describeRemote } from "../describe-remote.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import {
  engineIdParameter,
  json,
  jsonRequest,
  planeCredential,
  problemsOf,
} from "../openapi-parts.ts";
import { readQuery } from "../query.ts";
import { remoteEngineOfPath } from "../remote-engine-of-path.ts";

/** PATCH /api/v1/engines/{engine_id}: changes a remote engine. */
export const changeEngine: Endpoint = {
  route: createRoute({
    method: "patch",
    path: "/api/v1/engines/{engine_id}",
    operationId: "changeEngine",
    summary: "Change a remote engine",
    description:
      "Replaces the members that are given, of the version that is named, else of the highest. Schemas stay: they may be sent as they are, and a new version has new ones.",
    tags: ["Engines"],
    security: planeCredential,
    request: { params: engineIdParameter, body: jsonRequest(changeEngineSchema) },
    responses: {
      200: json("The engine as it is now", engineSchema),
      ...problemsOf(
        "engine_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
      ),
    },
  }),
  access: "engines:admin",
  async handle(c, { db, signals, settings, catalogue }) {
    const asked = await remoteEngineOfPath(c, db);
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const version = await changeRemoteEngine(
      db,
      signals,
      asked,
      checkBody(changeEngineSchema, raw),
    );
    return c.json(await describeRemote(catalogue, asked.id, version));
  },
};
