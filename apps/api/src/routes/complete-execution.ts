import { createRoute } from "@hono/zod-openapi";
import { completeSchema, type Complete } from "@tl-engine/contract";
import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import type { ExecutionRow } from "@tl-engine/shared/executions/row.ts";
import type { ApiDeps } from "../api-deps.ts";
import { checkBody, invalidBody } from "../body-errors.ts";
import type { ApiContext, Endpoint } from "../endpoint.ts";
import { readExecutionId } from "../execution-answer.ts";
import { passOverBody, readJsonBody } from "../json-body.ts";
import { unauthorized } from "../middleware/authenticate.ts";
import { missing } from "../missing-execution.ts";
import { executionIdParameter, jsonRequest, publicProblemsOf } from "../openapi-parts.ts";
import { Refusal } from "../problem.ts";
import { readQuery } from "../query.ts";
import { unavailable } from "../unavailable.ts";
import { withDeadline } from "../with-deadline.ts";

/** Bytes of a body beside the output in it. */
const besideOutput = 16 * 1024;
/** Bytes of a stranger's body that are let go by. */
const passedOver = 64 * 1024;
/** A completion is answered within 3 s also while Postgres is away. */
const recordWithinMs = 2_500;

const bearer = /^Bearer (tlc_[A-Za-z0-9_-]{1,64})$/i;
const plane = { kind: "plane", id: "plane" } as const;
const bare = { output: false, input: false, attempts: false, calls: false };

/** POST /api/v1/executions/{execution_id}/complete: the service of a remote engine says what came of an execution. */
export const completeExecution: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/executions/{execution_id}/complete",
    operationId: "completeExecution",
    summary: "Say what came of an execution that a service was given",
    description:
      "For services of remote engines, with the token that came with the execution; it is good for this execution and this dispatch alone. With `output` or `error` it ends; with `progress` it goes on. A second completion, a late one, and one of an earlier dispatch are 409.",
    tags: ["Executions"],
    security: [{ completion: [] }],
    request: { params: executionIdParameter, body: jsonRequest(completeSchema) },
    responses: {
      204: { description: "Recorded" },
      ...publicProblemsOf(
        "unauthorized",
        "execution_not_found",
        "execution_purged",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "execution_finished",
        "unavailable",
      ),
    },
  }),
  access: "own",
  async handle(c, deps) {
    const known = identify(c, deps);
    if (known === null) {
      await passOverBody(c, passedOver);
      throw unauthorized();
    }
    const { id, dispatch } = known;
    c.set("executionId", id);
    const row = await withDeadline(deps.reader.read(plane, id, bare), recordWithinMs);
    if (row === null) throw await missing(deps, plane, id);
    const limit = deps.settings.maxOutputBytes + besideOutput;
    const raw = await readJsonBody(c, limit);
    readQuery(c, []);
    const body = checkBody(completeSchema, raw);
    const { progress } = body;
    if (progress !== undefined) {
      if (row.status !== "running" || row.dispatch !== dispatch) throw finished();
      await withDeadline(deps.completions.progress(id, dispatch, progress), recordWithinMs);
      return c.body(null, 204);
    }
    const engine = await deps.catalogue.resolve(`${row.engine_id}@${row.version}`);
    // One that is unfinished is in the catalogue; this process has not heard of it yet.
    if (engine === null) throw isOver(row, dispatch) ? finished() : unavailable();
    const completion = checkCompletion(body, engine, deps);
    const recorded = await withDeadline(
      deps.completions.complete(row, dispatch, completion, engine.policy),
      recordWithinMs,
    );
    if (!recorded) throw finished();
    return c.body(null, 204);
  },
};

/** What the token is for; null where it is none for this execution, for whatever reason. */
function identify(
  c: ApiContext,
  { completionTokens }: ApiDeps,
): { id: string; dispatch: number } | null {
  const id = readExecutionId(c.req.param("execution_id") ?? "");
  const token = bearer.exec(c.req.header("authorization") ?? "")?.[1];
  if (id === null || token === undefined || c.req.header("x-api-key") !== undefined) return null;
  const dispatch = completionTokens?.check(id, token) ?? null;
  return dispatch === null ? null : { id, dispatch };
}

/** @throws Refusal 413, 422 */
function checkCompletion(
  { output, error }: Complete,
  engine: EngineVersion,
  { checkOutput, settings }: ApiDeps,
): { outputText: string } | { error: NonNullable<Complete["error"]> } {
  if (error !== undefined) return { error };
  const outputText = JSON.stringify(output);
  const bytes = Buffer.byteLength(outputText);
  const { maxOutputBytes } = settings;
  if (bytes > maxOutputBytes) {
    throw new Refusal("payload_too_large", `The output is larger than ${maxOutputBytes} bytes`, {
      limitBytes: maxOutputBytes,
    });
  }
  const errors = checkOutput(engine, output, bytes);
  if (errors.length > 0) throw invalidBody(errors);
  return { outputText };
}

function isOver(row: ExecutionRow, dispatch: number): boolean {
  return row.status !== "running" || row.dispatch !== dispatch;
}

function finished(): Refusal {
  return new Refusal(
    "execution_finished",
    "The execution is finished, or was given to somebody else since; what came of this try no longer counts",
  );
}
