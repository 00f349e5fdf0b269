import { pause } from "./abortable.ts";
import { ConnectionError, ProblemError, UnexpectedAnswerError } from "./errors.ts";
import { sendOnce, type HttpAnswer, type HttpRequest, type HttpTarget } from "./http.ts";

export interface RetryOptions {
  /** Tries after the first one. Default 4; 0: none. */
  limit?: number | undefined;
  /** Milliseconds before the second try; doubles with each. Default 250. */
  initialDelayMs?: number | undefined;
  /** Milliseconds at most between two tries, where the API names no time. Default 8 000. */
  maxDelayMs?: number | undefined;
  /** The longest `Retry-After` to sit out, in milliseconds; a longer one is thrown. Default 60 000. */
  maxRetryAfterMs?: number | undefined;
}

export type RetryPolicy = { [Name in keyof RetryOptions]-?: number };

/**
 * What may be sent twice. `repeatable`: GET, a change that is the same when made twice, a submit with
 * its Idempotency-Key. `once`: what would make a second thing; it is sent again only when the limiter
 * turned it away, before anything was done.
 */
export type Repeat = "repeatable" | "once";

/** The API, with retries. */
export interface Http {
  /** @throws ProblemError | ConnectionError | UnexpectedAnswerError, or the signal's reason */
  send(
    request: HttpRequest,
    options?: { repeat?: Repeat; maxRetryAfterMs?: number },
  ): Promise<HttpAnswer>;
}

export function retryPolicy(retries: number | RetryOptions = {}): RetryPolicy {
  const options = typeof retries === "number" ? { limit: retries } : retries;
  return {
    limit: options.limit ?? 4,
    initialDelayMs: options.initialDelayMs ?? 250,
    maxDelayMs: options.maxDelayMs ?? 8_000,
    maxRetryAfterMs: options.maxRetryAfterMs ?? 60_000,
  };
}

export function createHttp(target: HttpTarget, policy: RetryPolicy): Http {
  return {
    async send(request, { repeat = "repeatable", maxRetryAfterMs = policy.maxRetryAfterMs } = {}) {
      for (let failures = 0; ; failures++) {
        try {
          return await sendOnce(target, request);
        } catch (error) {
          if (failures >= policy.limit || !isWorthRetrying(error, repeat)) throw error;
          const asked = error instanceof ProblemError ? error.retryAfterSeconds : null;
          if (asked !== null && asked * 1000 > maxRetryAfterMs) throw error;
          await pause(delayBefore(asked, failures, policy), request.signal);
        }
      }
    },
  };
}

function isWorthRetrying(error: unknown, repeat: Repeat): boolean {
  if (error instanceof ProblemError && error.status === 429) return true;
  if (repeat === "once") return false;
  if (error instanceof ProblemError) {
    return error.status === 503 || error.code === "idempotency_in_progress";
  }
  // A gateway's own page: the API behind it is away.
  if (error instanceof UnexpectedAnswerError) return [502, 503, 504].includes(error.status);
  return error instanceof ConnectionError;
}

/** What the API asks for and a little more, so that many callers don't come back in one moment; else a jittered backoff. */
function delayBefore(asked: number | null, failures: number, policy: RetryPolicy): number {
  const backoff = Math.min(policy.initialDelayMs * 2 ** failures, policy.maxDelayMs);
  if (asked !== null) return asked * 1000 + (Math.random() * backoff) / 4;
  return backoff / 2 + (Math.random() * backoff) / 2;
}
