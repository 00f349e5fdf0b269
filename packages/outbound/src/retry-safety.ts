/** Methods whose repetition does nothing more (RFC 9110 §9.2.2), and QUERY (RFC 9110's registry). */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "QUERY",
  "PUT",
  "DELETE",
]);

/** Methods that read only. */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "QUERY"]);

/** Whether sending the same request twice does the same as sending it once. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** Whether a request asks for no change, and so needs no idempotency key. */
export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

/** Statuses by which the other side says that it did not act on the request: it may come again. */
const NOT_ACTED_ON: ReadonlySet<number> = new Set([408, 425, 429]);
/** Server errors that a repetition can't mend. */
const LASTING: ReadonlySet<number> = new Set([501, 505, 506, 508, 510, 511]);

/**
 * Whether a call that was answered with this status may be made again in a later attempt.
 *
 * @param repeatable whether the request may have its effect twice: an idempotent method, or said so.
 */
export function isRetryableStatus(status: number, repeatable: boolean): boolean {
  if (NOT_ACTED_ON.has(status)) return true;
  return status >= 500 && !LASTING.has(status) && repeatable;
}
