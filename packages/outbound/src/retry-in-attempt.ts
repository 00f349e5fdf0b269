import { OutboundError, ParkedError } from "./errors.ts";
import { type RetryPolicy } from "./ports.ts";

/** A longer Retry-After parks an execution whose call went to a plain address, milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;

/** What is known when a try has failed. */
export interface FailedTry {
  readonly error: unknown;
  /** Whether a request was sent that must not be sent again. */
  readonly acted: boolean;
  /** Retries made so far in this call. */
  readonly retries: number;
  /** Of the connection; null: a plain address, whose calls are never made again within an attempt. */
  readonly policy: RetryPolicy | null;
  /** `connection:<id>`; null for a plain address. */
  readonly blockedBy: string | null;
  /** Left of the call's time, in milliseconds. */
  readonly remainingMs: number;
}

/**
 * After how many milliseconds the next try is made.
 *
 * A Retry-After up to the policy's cap is waited for in place, where there are retries; a longer one parks the execution,
 * whether there are any or not: its slot is worth more than the wait.
 *
 * @param random in [0, 1)
 * @throws ParkedError, or the try's own error where there is no other try
 */
export function waitBeforeRetry(failed: FailedTry, random: () => number = Math.random): number {
  const { error, policy } = failed;
  if (!(error instanceof OutboundError) || error instanceof ParkedError) throw error;
  if (!error.retryable) throw error;
  const asked = error.retryAfterMs;
  if (asked !== undefined && asked > (policy?.maxRetryAfterMs ?? MAX_RETRY_AFTER_MS)) {
    throw new ParkedError(
      `${error.message} and asked to wait for ${Math.ceil(asked / 1000)} s`,
      { reason: "retry_after", delayMs: asked, blockedBy: failed.blockedBy },
      "upstream_error",
    );
  }
  if (policy === null || failed.acted || failed.retries >= policy.maxRetries) throw error;
  const wait = asked ?? fullJitter(policy, failed.retries, random);
  // What cannot be made in time is left to the execution's next attempt, which knows when it is due.
  if (wait >= failed.remainingMs) throw error;
  return wait;
}

/** Anything from nothing to a bound that doubles, so that many who failed together do not come back together. */
function fullJitter(policy: RetryPolicy, retries: number, random: () => number): number {
  return random() * Math.min(policy.maxMs, policy.initialMs * 2 ** retries);
}
