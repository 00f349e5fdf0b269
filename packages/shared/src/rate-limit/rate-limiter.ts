import type { Budget } from "../callers/limit-of-caller.ts";

/** What a limiter says to one request. */
export interface RateDecision {
  readonly allowed: boolean;
  readonly limit: number;
  /** What is left in this window after this request. */
  readonly remaining: number;
  /** When the window ends, in epoch seconds. */
  readonly resetAt: number;
  /** Seconds until the window ends, at least 1. */
  readonly retryAfterSeconds: number;
}

/**
 * Counts requests of a caller in a fixed window that starts with his first one: never more than the
 * limit in a window, and never more than twice the limit in any time as long as a window.
 */
export interface RateLimiter {
  /**
   * Takes `cost` from the caller's window, whole or not at all; a refusal takes nothing.
   * @param callerId the caller's id, never a credential
   * @param limit requests in a window, at least 1
   * @param cost whole, at least 1; one that is greater than the limit is never allowed
   */
  take(callerId: string, budget: Budget, limit: number, cost?: number): Promise<RateDecision>;
  close(): Promise<void>;
}

/** The counter's name, in Redis and in Postgres alike. */
export function counterName(callerId: string, budget: Budget): string {
  const name = `engine:ratelimit:${callerId}`;
  return budget === "reads" ? `${name}:read` : name;
}
