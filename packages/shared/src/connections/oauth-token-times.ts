/** Least time before its end at which a token is renewed, ms. */
const leastMarginMs = 30_000;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;
/** A token that served for so long, ms, was none that the other side refuses out of hand. */
export const provenMs = 5 * 60_000;

/**
 * When a token is renewed, ms from now: a tenth of its life before its end, or 30 s where that is more, and never before
 * half of it. A little earlier by chance, so that tokens that were fetched together are not renewed together.
 * @param chance 0 … 1
 */
export function renewInMs(lifeMs: number, chance: number): number {
  const marginMs = Math.max(lifeMs / 10, leastMarginMs) * (1 + chance / 2);
  return lifeMs - Math.min(marginMs, lifeMs / 2);
}

/**
 * How long nobody asks a token endpoint again, ms: a second, and twice as long after each failure, up to a minute; half
 * of it by chance. Longer where the endpoint says so.
 * @param failures in a row, this one included
 * @param chance 0 … 1
 */
export function pauseMs(failures: number, askedMs: number, chance: number): number {
  const whole = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1));
  return Math.max(askedMs, whole / 2 + (whole / 2) * chance);
}

/**
 * How old a token must be before a refusal is worth a new one, ms. The first refusal always is; where new tokens are
 * refused, too, it is not the token, and the endpoint is not to be asked for each call.
 * @param refusals tokens in a row that were fetched because the one before was refused
 */
export function leastAgeMs(refusals: number): number {
  return refusals === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (refusals - 1));
}
