import {
  formatDuration,
  parseDuration,
  type Priority,
  type ProblemError,
  type SubmitOptions,
} from "@tl-engine/contract";
import type { EnginePolicy } from "@tl-engine/shared/catalogue/policy.ts";

/** What a submit asks for, with the engine's defaults filled in. */
export interface ResolvedOptions {
  priority: Priority;
  /** Not before this time; null: at once. */
  runAt: Date | null;
  delayMs: number | null;
  ttlMs: number;
  timeoutMs: number;
  maxAttempts: number;
}

const day = 86_400_000;
/** How far ahead an execution may be asked for. */
const maxAheadMs = 30 * day;

/**
 * Holds the options against the engine's ceilings; every option that does not fit is named.
 * @param now by the clock that will say when it is due, ms
 */
export function resolveOptions(
  options: SubmitOptions,
  policy: EnginePolicy,
  now: number,
): { resolved: ResolvedOptions; errors: ProblemError[] } {
  const errors: ProblemError[] = [];
  const refuse = (name: string, detail: string) => {
    errors.push({ pointer: `/options/${name}`, detail });
  };

  const bounded = (name: "ttl" | "timeout", usual: number, max: number): number => {
    const text = options[name];
    const ms = text === undefined ? usual : (parseDuration(text) ?? usual);
    if (text !== undefined && ms < 1) refuse(name, "must be longer than nothing");
    if (text !== undefined && ms > max) {
      refuse(name, `must be at most ${formatDuration(max)}, the engine's ceiling`);
    }
    return ms;
  };
  const timeoutMs = bounded("timeout", policy.timeout_ms, policy.timeout_max_ms);
  const ttlMs = bounded("ttl", policy.ttl_ms, policy.ttl_max_ms);

  const maxAttempts = options.max_attempts ?? policy.max_attempts;
  if (options.max_attempts !== undefined && maxAttempts > policy.max_attempts_max) {
    refuse("max_attempts", `must be at most ${policy.max_attempts_max}, the engine's ceiling`);
  }

  const delayMs = options.delay == null ? null : parseDuration(options.delay);
  const runAt = options.run_at == null ? null : new Date(options.run_at);
  if (delayMs !== null && runAt !== null) {
    refuse("delay", "cannot be given together with run_at");
    refuse("run_at", "cannot be given together with delay");
  }
  const aheadMs = delayMs ?? (runAt === null ? 0 : runAt.getTime() - now);
  if (aheadMs > maxAheadMs) {
    refuse(delayMs === null ? "run_at" : "delay", "must be at most 30 days ahead");
  }
  return {
    resolved: {
      priority: options.priority ?? "normal",
      // What lies in the past is now.
      runAt: runAt !== null && runAt.getTime() <= now ? null : runAt,
      delayMs: delayMs === 0 ? null : delayMs,
      ttlMs,
      timeoutMs,
      maxAttempts,
    },
    errors,
  };
}
