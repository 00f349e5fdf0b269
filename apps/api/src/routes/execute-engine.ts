import { createRoute } from "@hono/zod-openapi";
import { submitSchema } from "@tl-engine/contract";
import { hasExecuteScope } from "@tl-engine/shared/callers/caller.ts";
import type { Endpoint } from "../endpoint.ts";
import { engineComesFirst } from "../engine-comes-first.ts";
import { engineNotFound, engineOfPath, parseEngineRef } from "../engine-ref.ts";
import { readIdempotencyKey } from "../idempotency-key.ts";
import { readJsonBody } from "../json-body.ts";
import { forbidden } from "../middleware/require-access.ts";
import { anyCredential, engineIdParameter, jsonRequest, submitHeaders } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";
import { submitExecution } from "../submit-execution.ts";
import { submitResponses } from "./submit-responses.ts";

/** POST /api/v1/engines/{engine_id}/execute: programs and front ends submit work. */
export const executeEngine: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/engines/{engine_id}/execute",
    operationId: "executeEngine",
    summary: "Submit work to an engine",
    tags: ["Executions"],
    security: anyCredential,
    request: {
      params: engineIdParameter,
      headers: submitHeaders,
      body: jsonRequest(submitSchema),
    },
    responses: submitResponses,
  }),
  access: "any_execute",
  async handle(c, deps) {
    const caller = c.get("caller");
    const ref = c.req.param("engine_id") ?? "";
    const named = parseEngineRef(ref);
    if (named !== null && !hasExecuteScope(caller, named.id)) {
      throw forbidden(`engines:execute:${named.id}`);
    }
    engineOfPath(ref, caller);
    const engine = await deps.catalogue.resolve(ref);
    const keyHeader = c.req.header("idempotency-key");
    if (engine === null && keyHeader === undefined) throw engineNotFound();
    return engineComesFirst(engine, async () => {
      const body = await readJsonBody(c, deps.settings.maxBodyBytes);
      readQuery(c, []);
      const idempotencyKey = readIdempotencyKey(keyHeader);
      return submitExecution(c, deps, { engineRef: ref, engine, body, idempotencyKey });
    });
  },
};
