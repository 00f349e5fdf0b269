const minute = 60_000;
const hour = 60 * minute;

/** How long after each failed attempt the next one comes, ms: as callbacks are tried again. */
const delaysMs = [5_000, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour];

/** Attempts that the schedule holds. */
export const scheduledAttempts = delaysMs.length + 1;

/**
 * After how many milliseconds the next attempt is due: never earlier than the schedule and the receiver say, and up to a
 * fifth later, so that what failed together does not come back together.
 * @param attempt the one that has failed, from 1 on; beyond the schedule its last delay is taken again
 * @param random in [0, 1)
 */
export function nextTryInMs(
  attempt: number,
  retryAfterMs: number | undefined,
  random = Math.random(),
): number {
  const scheduled = delaysMs[Math.min(Math.max(1, attempt), delaysMs.length) - 1] ?? 0;
  return Math.round(Math.max(scheduled, retryAfterMs ?? 0) * (1 + random / 5));
}
