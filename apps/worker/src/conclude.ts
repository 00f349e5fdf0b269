import type { HandedOver, HandOver } from "@tl-engine/shared/executions/hand-over.ts";
import type { StartedExecution } from "@tl-engine/shared/executions/start.ts";
import type { Settler } from "@tl-engine/shared/executions/settle.ts";
import type { Settlement } from "@tl-engine/shared/executions/settlement.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { asError } from "./host/as-error.ts";
import type { RunEnd } from "./host/run.ts";
import { judge, type Verdict } from "./outcome.ts";
import type { ServedEngine } from "./served-engine.ts";

/** How an attempt ended, in the words of the log and the metrics. */
export type AttemptOutcome =
  | "succeeded"
  | "failed"
  | "retry"
  | "parked"
  | "canceled"
  | "given_back"
  | "handed_over"
  | "stale";

/** Records how a run ended, and tells whoever has to know. Never throws. */
export type Conclude = (
  engine: ServedEngine,
  execution: StartedExecution,
  end: RunEnd,
  runMs: number,
) => Promise<void>;

export interface ConcludeOptions {
  settler: Settler;
  /** Resolves when what was said of an execution while it ran is in the record. */
  recorded(executionId: string): Promise<void>;
  giveBack(item: { id: string; dispatch: number; alone: boolean }): Promise<void>;
  /** A service has taken it on. */
  handOver(item: HandOver): Promise<HandedOver>;
  /** Moves a retry forward that waited for the end of its old host. */
  releaseRetry(item: { id: string; dispatch: number; delayMs: number }): Promise<void>;
  /** A retry is due in this many ms. */
  dueIn(ms: number): void;
  /** A place under the engine's ceiling is free. */
  placeFreed(engine: ServedEngine): void;
  onEnded(engine: ServedEngine, outcome: AttemptOutcome, runMs: number): void;
  log: Log;
}

/** See {@link Conclude}. */
export function createConclude(options: ConcludeOptions): Conclude {
  const { settler, log } = options;

  async function carryOut(
    { id, dispatch }: Pick<StartedExecution, "id" | "dispatch">,
    verdict: Verdict,
  ): Promise<AttemptOutcome> {
    if (verdict.kind === "hand_over") return options.handOver({ id, dispatch });
    if (verdict.kind === "give_back") {
      await verdict.after;
      return "given_back";
    }
    const { settlement, heldBack } = verdict;
    await options.recorded(settlement.id);
    const status = await settler.settle(settlement);
    if (status === "queued" && settlement.outcome === "retry") {
      if (heldBack === null) options.dueIn(settlement.delayMs);
      else void release(settlement.id, settlement.dispatch + 1, heldBack);
      return "retry";
    }
    if (status === "queued" && settlement.outcome === "parked") {
      // Without a time its circuit says when.
      if (settlement.delayMs !== null) options.dueIn(settlement.delayMs);
      return "parked";
    }
    return status === "succeeded" || status === "failed" || status === "canceled"
      ? status
      : "stale";
  }

  async function release(
    id: string,
    dispatch: number,
    { lingering, delayMs }: { lingering: { gone: Promise<void> }; delayMs: number },
  ): Promise<void> {
    await lingering.gone;
    try {
      await options.releaseRetry({ id, dispatch, delayMs });
      options.dueIn(delayMs);
    } catch (error) {
      // It stays due at the later time that its settlement gave it.
      log.warn({ err: error, execution_id: id }, "a retry could not be moved forward");
    }
  }

  return async (engine, execution, end, runMs) => {
    const verdict = judge(end, execution, engine.descriptor.policy, Math.random());
    const failure =
      verdict.kind === "settle" && verdict.settlement.outcome !== "succeeded"
        ? verdict.settlement.failure
        : null;
    const stack = end.kind === "threw" || end.kind === "stopped" ? end.stack : null;
    const fields = {
      execution_id: execution.id,
      engine: execution.engineId,
      version: execution.version,
      attempt: execution.attempt,
      max_attempts: execution.maxAttempts,
      dispatch: execution.dispatch,
      queued_ms: Math.round(execution.queuedMs),
      run_ms: Math.round(runMs * 1_000) / 1_000,
      ...(execution.alone ? { alone: true } : {}),
      ...(failure === null
        ? {}
        : {
            error_code: failure.code,
            retryable: failure.retryable,
            err: asError(failure.detail, stack),
          }),
      ...(verdict.kind === "settle" ? whatFollows(verdict.settlement) : {}),
    };
    try {
      const outcome = await carryOut(execution, verdict);
      if (verdict.kind === "give_back") {
        await options.giveBack({
          id: execution.id,
          dispatch: execution.dispatch,
          alone: verdict.alone,
        });
      }
      options.onEnded(engine, outcome, runMs);
      if (outcome !== "handed_over" && engine.descriptor.policy.concurrency !== null)
        options.placeFreed(engine);
      const line = { ...fields, outcome };
      if (["succeeded", "canceled", "handed_over"].includes(outcome))
        log.info(line, "attempt ended");
      else log.warn(line, outcome === "parked" ? "attempt parked" : "attempt ended");
    } catch (error) {
      // Past its deadline the reconciler ends it.
      log.error({ ...fields, err: error }, "the end of an attempt could not be recorded");
    }
  };
}

/** For the log: when it goes on, and what it waits for. */
function whatFollows(settlement: Settlement): object {
  if (settlement.outcome === "retry") return { retry_in_ms: settlement.delayMs };
  if (settlement.outcome !== "parked") return {};
  const { reason, delayMs, blockedBy } = settlement;
  return {
    reason,
    ...(delayMs === null ? {} : { retry_in_ms: delayMs }),
    ...(blockedBy === null ? {} : { blocked_by: blockedBy }),
  };
}
