/** How long after each failed try the next one comes, ms. The first one comes at once. */
export const retryDelaysMs: readonly number[] = [
  5_000,
  5 * 60_000,
  30 * 60_000,
  2 * 3_600_000,
  5 * 3_600_000,
  10 * 3_600_000,
  14 * 3_600_000,
];

/** Part of a delay by which it may be longer, so that what failed together does not come back together. */
const jitter = 0.2;

/** A longer Retry-After is taken for this long, ms. */
export const maxRetryAfterMs = 24 * 3_600_000;

/**
 * When the next try is due, in ms from now: never earlier than the schedule and the receiver's Retry-After say.
 * @param tries made so far, the one that has just failed included
 * @param random between 0 and 1
 * @returns null where it was the last one
 */
export function nextTryInMs(
  tries: number,
  retryAfterMs: number | null,
  random: number = Math.random(),
): number | null {
  const delayMs = retryDelaysMs[Math.max(1, tries) - 1];
  if (delayMs === undefined) return null;
  const asked = Math.min(retryAfterMs ?? 0, maxRetryAfterMs);
  return Math.max(asked, delayMs) * (1 + jitter * random);
}
