import { createRoute } from "@hono/zod-openapi";
import { engineSchema } from "@tl-engine/contract";
import type { Endpoint } from "../endpoint.ts";
import { engineNotFound, engineOfPath } from "../engine-ref.ts";
import { describeEngine, describeEngineVersion } from "../engine-view.ts";
import { anyCredential, engineIdParameter, json, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /api/v1/engines/{engine_id}: an engine with its schemas, defaults and an example. */
export const getEngine: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/engines/{engine_id}",
    operationId: "getEngine",
    summary: "An engine: its schemas as JSON Schema 2020-12, defaults, an example",
    tags: ["Engines"],
    security: anyCredential,
    request: { params: engineIdParameter },
    responses: { 200: json("The engine", engineSchema), ...problemsOf("engine_not_found") },
  }),
  access: "engines:read",
  async handle(c, { catalogue }) {
    const asked = engineOfPath(c.req.param("engine_id") ?? "", c.get("caller"));
    const engine = await catalogue.resolve(asked.ref);
    const summary = describeEngine(asked.id, catalogue);
    if (engine === null || summary === null) throw engineNotFound();
    readQuery(c, []);
    return c.json(
      describeEngineVersion(summary, engine, { forPlane: c.get("caller").kind === "plane" }),
    );
  },
};
