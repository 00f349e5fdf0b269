import { createRoute } from "@hono/zod-openapi";
import { removeRemoteEngine } from "@tl-engine/shared/remote-engines/remove-remote-engine.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { engineOfPath } from "../engine-ref.ts";
import { engineIdParameter, planeCredential, problemsOf } from "../openapi-parts.ts";
import { remoteEngineOfPath } from "../remote-engine-of-path.ts";

/** DELETE /api/v1/engines/{engine_id}: removes a remote engine. */
export const unregisterEngine: Endpoint = {
  route: createRoute({
    method: "delete",
    path: "/api/v1/engines/{engine_id}",
    operationId: "unregisterEngine",
    summary: "Unregister a remote engine",
    description:
      "The version that is named, else all of them. While unfinished executions hold one nothing is removed: set `is_active` to false first, so that no more come, and let them end or cancel them.",
    tags: ["Engines"],
    security: planeCredential,
    request: { params: engineIdParameter },
    responses: {
      204: { description: "Unregistered" },
      ...problemsOf(
        "engine_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "engine_in_use",
      ),
    },
  }),
  access: "engines:admin",
  async handle(c, deps) {
    const { id, version } = engineOfPath(c.req.param("engine_id") ?? "", c.get("caller"));
    await checkNoBody(c, deps, async () => void (await remoteEngineOfPath(c, deps.db)));
    await removeRemoteEngine(deps.db, deps.signals, { id, version });
    await deps.catalogue.refresh();
    return c.body(null, 204);
  },
};
