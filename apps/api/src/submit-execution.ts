import { isDone } from "@tl-engine/contract";
import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import {
  describeAccepted,
  describeExecution,
  executionLinks,
} from "@tl-engine/shared/executions/describe.ts";
import type { ExecutionRow } from "@tl-engine/shared/executions/row.ts";
import type { AcceptedExecution, SubmitResult } from "@tl-engine/shared/executions/submit.ts";
import type { ApiDeps } from "./api-deps.ts";
import { invalidBody } from "./body-errors.ts";
import { checkCallback } from "./check-callback.ts";
import { checkSubmit } from "./check-submit.ts";
import type { ApiContext } from "./endpoint.ts";
import { engineNotFound } from "./engine-ref.ts";
import { hold } from "./hold.ts";
import { jsonText } from "./execution-answer.ts";
import { executionPurged } from "./missing-execution.ts";
import { requestFingerprint } from "./idempotency-key.ts";
import { preferredWaitSeconds } from "./prefer.ts";
import { Refusal } from "./problem.ts";
import { retryAfterSeconds } from "./retry-after.ts";
import { resolveOptions } from "./submit-options.ts";
import { readTraceParent } from "./trace-parent.ts";
import { withDeadline } from "./with-deadline.ts";

/** A submit is answered within 3 s also while Postgres is away. */
const recordWithinMs = 2_500;

/** A submit as it came in. */
export interface AskedSubmit {
  /** The engine as it was asked for: `resize` and `resize@2` differ. */
  engineRef: string;
  /** null: there is no such engine, so that only a replay can be answered. */
  engine: EngineVersion | null;
  /** The parsed body, without `engine`. */
  body: unknown;
  idempotencyKey: string | null;
}

/**
 * Records an execution, or finds the one that the same request was accepted as before, and answers.
 * @throws Refusal 404, 409, 410, 422, 503
 */
export async function submitExecution(
  c: ApiContext,
  deps: ApiDeps,
  { engineRef, engine, body: rawBody, idempotencyKey }: AskedSubmit,
): Promise<Response> {
  const caller = c.get("caller");
  const body = checkSubmit(rawBody, engine, deps.checkInput);
  const idempotency =
    idempotencyKey === null
      ? null
      : { key: idempotencyKey, requestHash: requestFingerprint(engineRef, body) };

  /** A replay is answered before the engine's state is looked at; only where there is none, the refusal counts. */
  const replayOr = async (refusal: Refusal): Promise<Response> => {
    if (idempotency === null) throw refusal;
    const { key, requestHash } = idempotency;
    const found = await withDeadline(
      deps.submitter.findReplay(caller.id, key, requestHash),
      recordWithinMs,
    );
    if (found === null) throw refusal;
    return answerSubmitted(c, deps, found, null);
  };

  if (engine === null) return replayOr(engineNotFound());
  const inputText = JSON.stringify(body.input);
  const { resolved, errors } = resolveOptions(body.options ?? {}, engine.policy, deps.now());
  errors.push(...deps.checkInput(engine, body.input, inputText.length));
  if (body.callback !== undefined) {
    const checked = checkCallback(deps, caller.id, body.callback);
    errors.push(...(await withDeadline(checked, recordWithinMs)));
  }
  if (errors.length > 0) return replayOr(invalidBody(errors));
  if (engine.remote?.is_active === false) {
    const detail = `${engine.id}@${engine.version} is switched off and takes nothing new`;
    return replayOr(new Refusal("engine_inactive", detail));
  }

  const result = await withDeadline(
    deps.submitter.submit({
      id: deps.newExecutionId(),
      callerId: caller.id,
      engineId: engine.id,
      version: engine.version,
      ...resolved,
      inputText,
      tags: body.tags ?? [],
      metadataText: body.metadata === undefined ? "{}" : JSON.stringify(body.metadata),
      idempotency,
      traceparent: readTraceParent(c.req.header("traceparent")),
      callbackText: body.callback === undefined ? null : JSON.stringify(body.callback),
    }),
    recordWithinMs,
  );
  const { runAt, delayMs } = resolved;
  return answerSubmitted(
    c,
    deps,
    result,
    delayMs === null ? runAt : new Date(deps.now() + delayMs),
  );
}

async function answerSubmitted(
  c: ApiContext,
  deps: ApiDeps,
  result: SubmitResult,
  runAt: Date | null,
): Promise<Response> {
  if (result.kind === "mismatch") {
    throw new Refusal(
      "idempotency_mismatch",
      "This Idempotency-Key belongs to another request; a new request needs a new key",
    );
  }
  if (result.kind === "purged") {
    c.set("executionId", result.id);
    throw executionPurged(result.tombstone);
  }
  let described: AcceptedExecution & { run_at: Date | null } = {
    ...result.execution,
    run_at: runAt,
  };
  const { id } = described;
  c.set("executionId", id);
  c.header("Location", executionLinks(id, described.engine_id).self);
  if (result.kind === "replayed") c.header("Idempotency-Replayed", "true");

  const waitSeconds = preferredWaitSeconds(c.req.header("prefer"));
  if (waitSeconds !== null) {
    const row = await waitForEnd(c, deps, id, waitSeconds, result.kind === "accepted");
    if (row !== null && isDone(row.status)) {
      c.header("Preference-Applied", "wait");
      return jsonText(c, 200, describeExecution(row, { output: true }));
    }
    described = row ?? described;
  }
  if (!isDone(described.status)) {
    c.header("Retry-After", String(retryAfterSeconds(described, deps.now())));
  }
  return jsonText(c, 202, describeAccepted(described));
}

async function waitForEnd(
  c: ApiContext,
  deps: ApiDeps,
  id: string,
  seconds: number,
  justAccepted: boolean,
): Promise<ExecutionRow | null> {
  try {
    return await hold(c, deps, id, {
      seconds,
      include: { output: true, input: false, attempts: false, calls: false },
      until: (row) => isDone(row.status),
      justAccepted,
    });
  } catch (error) {
    // It is accepted whatever comes: an answer that says otherwise would be wrong.
    deps.reportError(error, c.get("requestId"));
    return null;
  }
}
