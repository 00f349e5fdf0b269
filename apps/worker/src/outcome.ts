import { formatDuration } from "@tl-engine/contract";
import type { Park } from "@tl-engine/outbound";
import {
  backoffMs,
  longestDelayMs,
  type BackoffPolicy,
} from "@tl-engine/shared/executions/backoff.ts";
import type { StartedExecution } from "@tl-engine/shared/executions/start.ts";
import type { Settlement } from "@tl-engine/shared/executions/settlement.ts";
import { maxLosses } from "@tl-engine/shared/executions/state.ts";
import type { RunFailure } from "./host/protocol.ts";
import type { Lingering, RunEnd } from "./host/run.ts";

/** What has to be written of a run that is over. */
export type Verdict =
  | {
      kind: "settle";
      settlement: Settlement;
      /** Its old code may still run: the retry waits for that thread's end and is then due in `delayMs`. */
      heldBack: { lingering: Lingering; delayMs: number } | null;
    }
  /** A service has it, and says later what came of it. */
  | { kind: "hand_over" }
  | { kind: "give_back"; alone: boolean; after: Promise<void> | null };

type Held = Pick<
  StartedExecution,
  "id" | "dispatch" | "attempt" | "maxAttempts" | "timeoutMs" | "losses"
>;

/** From the end of a run to what the record says of it. `random` is from 0 to 1. */
export function judge(
  end: RunEnd,
  execution: Held,
  backoff: BackoffPolicy,
  random: number,
): Verdict {
  switch (end.kind) {
    case "cut_off":
      return { kind: "give_back", alone: end.suspect, after: null };
    case "returned": {
      if (end.aborted === "timeout")
        return failed(timeoutOf(execution), null, execution, backoff, random);
      const { id, dispatch, attempt } = execution;
      const settlement = {
        id,
        dispatch,
        attempt,
        outcome: "succeeded",
        outputText: end.outputText,
      } as const;
      return { kind: "settle", settlement, heldBack: null };
    }
    case "handed_over":
      // Too late: it goes on there all the same, and what it says then is dropped by the dispatch.
      return end.aborted === "timeout"
        ? failed(timeoutOf(execution), null, execution, backoff, random)
        : { kind: "hand_over" };
    case "threw":
      if (endsHere(end.aborted)) return { kind: "give_back", alone: false, after: null };
      if (end.failure.park !== undefined && end.aborted !== "timeout") {
        return parked(end.failure, end.failure.park, execution);
      }
      return failed(
        end.aborted === "timeout" ? timeoutOf(execution) : end.failure,
        null,
        execution,
        backoff,
        random,
      );
    case "stopped":
      if (endsHere(end.aborted) && end.failure.code === "timeout") {
        return { kind: "give_back", alone: false, after: end.lingering?.gone ?? null };
      }
      return failed(
        end.hostDied && execution.losses >= maxLosses - 1 ? lastLoss(end.failure) : end.failure,
        end.lingering,
        execution,
        backoff,
        random,
      );
  }
}

function failed(
  failure: RunFailure,
  lingering: Lingering | null,
  execution: Held,
  backoff: BackoffPolicy,
  random: number,
): Verdict {
  const { id, dispatch, attempt, maxAttempts } = execution;
  const { retryAfterMs, park: _, ...said } = failure;
  if (!failure.retryable || attempt >= maxAttempts) {
    return {
      kind: "settle",
      settlement: { id, dispatch, attempt, outcome: "failed", failure: said },
      heldBack: null,
    };
  }
  const wanted = retryAfterMs ?? backoffMs(attempt, backoff, random);
  const delayMs = Math.min(longestDelayMs, wanted);
  return {
    kind: "settle",
    settlement: {
      id,
      dispatch,
      attempt,
      outcome: "retry",
      failure: said,
      delayMs: Math.max(delayMs, lingering?.withinMs ?? 0),
      reason: retryAfterMs === undefined ? "retry_backoff" : "retry_after",
    },
    heldBack: lingering === null ? null : { lingering, delayMs },
  };
}

/** The outside is not ready for it. Its run is over, so that nothing of it can overlap its next start. */
function parked(failure: RunFailure, park: Park, execution: Held): Verdict {
  const { id, dispatch, attempt } = execution;
  const { retryAfterMs: _, park: __, ...said } = failure;
  const { reason, delayMs, blockedBy } = park;
  return {
    kind: "settle",
    settlement: {
      id,
      dispatch,
      attempt,
      outcome: "parked",
      failure: said,
      delayMs: delayMs === null ? null : Math.min(longestDelayMs, delayMs),
      reason,
      blockedBy,
    },
    heldBack: null,
  };
}

/** Whether it was aborted only because this worker may not go on with it. */
function endsHere(aborted: string | null): boolean {
  return aborted === "shutdown" || aborted === "lost";
}

function timeoutOf({ timeoutMs }: Held): RunFailure {
  return {
    code: "timeout",
    detail: `The attempt did not end within its timeout of ${formatDuration(timeoutMs)}`,
    retryable: true,
  };
}

/** It ran alone in a process of its own, which crashed as the workers had before it. */
function lastLoss({ detail }: RunFailure): RunFailure {
  return {
    code: "worker_lost",
    detail: `${maxLosses - 1} workers were lost that ran it; then it ran alone, and again: ${detail}`,
    retryable: false,
  };
}
