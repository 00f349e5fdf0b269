/** Longer than this nobody waits for: an execution that does not run for 24 h ends. */
const MAX_MS = 24 * 60 * 60 * 1000;

/**
 * Retry-After (RFC 9110 §10.2.3) in milliseconds from now, at most 24 h; undefined when it is absent or
 * can't be read. A date is measured against the answer's own Date, so that a clock that is wrong here
 * or there does no harm.
 */
export function retryAfterMs(
  headers: Readonly<Record<string, string>>,
  now: number = Date.now(),
): number | undefined {
  const value = headers["retry-after"]?.trim();
  if (value === undefined) return undefined;
  if (/^[0-9]+$/.test(value)) return Math.min(Number(value) * 1000, MAX_MS);

  // Every HTTP date names a weekday; without that, Date would take "1.5" or "-3" for dates.
  const until = /^[A-Za-z]{3,9},? /.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(until)) return undefined;
  const from = Date.parse(headers["date"] ?? "");
  return Math.min(Math.max(0, until - (Number.isNaN(from) ? now : from)), MAX_MS);
}
