const maxMs = 24 * 60 * 60_000;

/** Retry-After (RFC 9110, 10.2.3) in milliseconds, at most 24 h; undefined where it is absent or cannot be read. */
export function readRetryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^[0-9]{1,9}$/.test(value)) return Math.min(Number(value) * 1000, maxMs);
  // Every HTTP date names a weekday; against the answer's own Date a clock that is wrong does no harm.
  const until = /^[A-Za-z]{3,9},? /.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(until)) return undefined;
  const from = Date.parse(headers["date"] ?? "");
  return Math.min(Math.max(0, until - (Number.isNaN(from) ? Date.now() : from)), maxMs);
}
