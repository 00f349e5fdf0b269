import { cutOff, pause } from "./abortable.ts";
import type { Execution } from "./engine-contract.ts";
import { WaitTimeoutError } from "./errors.ts";
import type { HttpAnswer } from "./http.ts";
import { pathOf } from "./path.ts";
import { includeText, type ReadOptions } from "./read-status.ts";
import type { Http } from "./retry.ts";

export interface WaitOptions extends ReadOptions {
  /** Milliseconds to wait at most. Default: as long as it takes. */
  timeoutMs?: number | undefined;
  /** Called with the first description and with each change of status, attempt, progress or wait reason. */
  onProgress?: ((execution: Execution) => void) | undefined;
}

/** Seconds for which the API may hold one question; the contract's ceiling is 60, where many proxies cut. */
const holdSeconds = 30;
/** Changes in a row that are asked for at once. */
const quickChanges = 5;
/** From then on one question in so many milliseconds: every one counts against the caller's read budget. */
const busyPaceMs = 1_000;

/**
 * Waits until the execution is done, by questions that the API holds: without `onProgress` until it
 * is done, with it until its ETag differs. Outages are sat out as far as the client's `retries` go.
 *
 * @throws WaitTimeoutError | ProblemError | ConnectionError | UnexpectedAnswerError, or the signal's reason
 */
export async function waitUntilDone<Output>(
  http: Http,
  id: string,
  { timeoutMs = Infinity, signal, onProgress, include }: WaitOptions = {},
): Promise<Execution<Output>> {
  const limit = cutOff(signal, timeoutMs);
  const deadline = performance.now() + timeoutMs;
  let known: Execution<Output> | null = null;
  let etag: string | null = null;
  let quick = 0;
  try {
    for (;;) {
      const askedAt = performance.now();
      const remainingMs = deadline - askedAt;
      // With someone watching, the first answer comes at once, and later ones when they differ from it.
      const hold = onProgress && !known ? 0 : clamp(Math.ceil(remainingMs / 1000), 1, holdSeconds);
      const answer: HttpAnswer = await http.send(
        {
          method: "GET",
          path: pathOf("executions", id),
          query: { wait: hold || undefined, include: includeText(include) },
          ...(onProgress && etag ? { headers: { "if-none-match": etag } } : {}),
          holdSeconds: hold,
          signal: limit.signal,
        },
        { maxRetryAfterMs: Math.min(remainingMs, longestRetryAfterMs) },
      );
      const changed = answer.status !== 304 && (known === null || answer.etag !== etag);
      if (answer.status !== 304) {
        known = answer.body as Execution<Output>;
        etag = answer.etag;
        if (changed) onProgress?.(known);
        if (known.done) return known;
      }
      if (hold === 0) continue;
      const heldMs = performance.now() - askedAt;
      if (heldMs > hold * 1000 - 500) quick = 0;
      else if (!changed) {
        // Nothing new and still no hold: a server on its way down lets go of all that it holds.
        await pause((answer.retryAfterSeconds ?? 1) * 1000 - heldMs, limit.signal);
      } else if (++quick > quickChanges) await pause(busyPaceMs - heldMs, limit.signal);
    }
  } catch (error) {
    if (limit.timedOut()) throw new WaitTimeoutError(id, timeoutMs, known);
    throw error;
  } finally {
    limit.release();
  }
}

/** While waiting there is time: even a whole window of the rate limit. */
const longestRetryAfterMs = 3_600_000;

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
