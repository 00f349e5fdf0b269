import { createRoute } from "@hono/zod-openapi";
import { planeSubmitSchema } from "@tl-engine/contract";
import { hasExecuteScope, seesEngine } from "@tl-engine/shared/callers/caller.ts";
import { checkBody } from "../body-errors.ts";
import type { Endpoint } from "../endpoint.ts";
import { engineComesFirst } from "../engine-comes-first.ts";
import { engineNotFound, parseEngineRef, type EngineRef } from "../engine-ref.ts";
import { readIdempotencyKey } from "../idempotency-key.ts";
import { readJsonBody } from "../json-body.ts";
import { forbidden } from "../middleware/require-access.ts";
import { anyCredential, jsonRequest, submitHeaders } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";
import { submitExecution } from "../submit-execution.ts";
import { submitResponses } from "./submit-responses.ts";

/** The body without the name of its engine, as the other submit endpoint would have it. */
function splitEngine(body: unknown): { named: EngineRef | null; rest: unknown } {
  if (typeof body !== "object" || body === null || !("engine" in body)) {
    return { named: null, rest: body };
  }
  const { engine, ...rest } = body;
  return { named: typeof engine === "string" ? parseEngineRef(engine) : null, rest };
}

/** POST /api/v1/engines/execute: tl-plane submits work, naming the engine in the body. */
export const executeAnyEngine: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/engines/execute",
    operationId: "execute",
    summary: "Submit work, naming the engine in the body",
    tags: ["Executions"],
    security: anyCredential,
    request: { headers: submitHeaders, body: jsonRequest(planeSubmitSchema) },
    responses: submitResponses,
  }),
  access: "any_execute",
  async handle(c, deps) {
    const caller = c.get("caller");
    const body = await readJsonBody(c, deps.settings.maxBodyBytes);
    const { named, rest } = splitEngine(body);
    const keyHeader = c.req.header("idempotency-key");
    if (named === null) {
      readQuery(c, []);
      readIdempotencyKey(keyHeader);
      // The schema says what is wrong with the engine's name, and with the rest.
      checkBody(planeSubmitSchema, body);
      throw engineNotFound();
    }
    if (!hasExecuteScope(caller, named.id)) throw forbidden(`engines:execute:${named.id}`);
    if (!seesEngine(caller, named.id)) throw engineNotFound();
    const engine = await deps.catalogue.resolve(named.ref);
    if (engine === null && keyHeader === undefined) throw engineNotFound();
    return engineComesFirst(engine, async () => {
      readQuery(c, []);
      const idempotencyKey = readIdempotencyKey(keyHeader);
      return submitExecution(c, deps, { engineRef: named.ref, engine, body: rest, idempotencyKey });
    });
  },
};
