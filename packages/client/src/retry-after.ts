/**
 * Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3): a number of seconds or a date.
 *
 * @param now epoch milliseconds
 * @returns null where there is none that makes sense
 */
export function retryAfterSeconds(header: string | null, now = Date.now()): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text);
  // Date.parse takes much that is no HTTP date: "-1" is a year to it.
  const date = /^[A-Z][a-z]{2},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000);
}
