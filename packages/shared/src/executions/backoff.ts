import type { EnginePolicy } from "../catalogue/policy.ts";

export type BackoffPolicy = Pick<
  EnginePolicy,
  "backoff_initial_ms" | "backoff_factor" | "backoff_max_ms"
>;

/** An execution waits no longer than this for its next attempt, whatever an engine or another system asks for, ms. */
export const longestDelayMs = 24 * 3_600_000;

/**
 * Wait before the attempt after this one, ms: exponential, with full jitter, so that many do not come back at once.
 * @param random from 0 to 1
 */
export function backoffMs(attempt: number, backoff: BackoffPolicy, random: number): number {
  const { backoff_initial_ms, backoff_factor, backoff_max_ms } = backoff;
  return Math.round(
    random * Math.min(backoff_max_ms, backoff_initial_ms * backoff_factor ** (attempt - 1)),
  );
}
