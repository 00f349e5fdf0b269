import type { Complete } from "@tl-engine/contract";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { EnginePolicy } from "@tl-engine/shared/catalogue/policy.ts";
import { backoffMs, longestDelayMs } from "@tl-engine/shared/executions/backoff.ts";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";
import { createProgressWriter } from "@tl-engine/shared/executions/progress.ts";
import type { ExecutionRow } from "@tl-engine/shared/executions/row.ts";
import { createSettler } from "@tl-engine/shared/executions/settle.ts";
import type { Settlement } from "@tl-engine/shared/executions/settlement.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";

/** What a service says at the end of an execution, checked. */
export type Completion = { outputText: string } | { error: NonNullable<Complete["error"]> };

type CompletedRow = Pick<ExecutionRow, "id" | "attempt" | "max_attempts" | "engine_id" | "version">;

/** Records what services say of the executions that they were given. */
export interface Completions {
  /** Waits for Postgres where it is away. @returns false where it is finished, or somebody else's by now */
  complete(
    row: CompletedRow,
    dispatch: number,
    completion: Completion,
    policy: EnginePolicy,
  ): Promise<boolean>;
  /** Resolves when it is written, or cannot be; never rejects. */
  progress(
    id: string,
    dispatch: number,
    progress: NonNullable<Complete["progress"]>,
  ): Promise<void>;
}

export interface CompletionsOptions {
  db: Database;
  signals: Signals;
  onError: (error: unknown) => void;
  /** A retry is due in this many ms. */
  dueIn(ms: number): void;
  /** A place under an engine's ceiling is free. */
  placeFreed(engine: { engineId: string; version: number; concurrency: number }): void;
  hooks?: FaultHooks;
}

/** See {@link Completions}: by the same statements that workers settle with. */
export function createCompletions(options: CompletionsOptions): Completions {
  const { db, signals, onError, hooks } = options;
  const settler = createSettler({ db, signals, onError, ...(hooks && { hooks }) });
  const progressWriter = createProgressWriter(db.pool, signals, onError);
  return {
    async complete(row, dispatch, completion, policy) {
      const settlement = settlementOf(row, dispatch, completion, policy);
      const settled = await settler.settle(settlement);
      if (settled === "stale") return false;
      if (settled === "queued" && settlement.outcome === "retry") options.dueIn(settlement.delayMs);
      const { concurrency } = policy;
      if (concurrency !== null) {
        options.placeFreed({ engineId: row.engine_id, version: row.version, concurrency });
      }
      return true;
    },
    progress: (id, dispatch, { fraction, message = null }) =>
      progressWriter.set({ id, dispatch, fraction, message }),
  };
}

function settlementOf(
  { id, attempt, max_attempts }: CompletedRow,
  dispatch: number,
  completion: Completion,
  policy: EnginePolicy,
): Settlement {
  const base = { id, dispatch, attempt };
  if ("outputText" in completion) {
    return { ...base, outcome: "succeeded", outputText: completion.outputText };
  }
  const { detail, code = "engine_error", retryable = true } = completion.error;
  const failure = { code, detail, retryable };
  if (!retryable || attempt >= max_attempts) return { ...base, outcome: "failed", failure };
  const delayMs = Math.min(longestDelayMs, backoffMs(attempt, policy, Math.random()));
  return { ...base, outcome: "retry", failure, delayMs, reason: "retry_backoff" };
}
