const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Longest time that Node's timers can hold. */
const MAX_MS = 2 ** 31 - 1;

/**
 * A call's time in milliseconds, from a number of them or a duration (`500ms`, `30s`, `5m`, `1h`).
 *
 * @throws RangeError for anything else: it is a mistake in an engine.
 */
export function callTimeoutMs(timeout: number | string): number {
  const match = typeof timeout === "string" ? /^([0-9]{1,9})(ms|s|m|h)$/.exec(timeout) : null;
  const ms =
    typeof timeout === "number" ? timeout : Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? 0);
  if (!(ms > 0)) {
    throw new RangeError(`timeout: "${timeout}" is no duration such as 500ms, 30s or 5m`);
  }
  return Math.min(ms, MAX_MS);
}
