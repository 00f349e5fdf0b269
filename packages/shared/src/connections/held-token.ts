import { leastAgeMs } from "./oauth-token-times.ts";
import type { SeenRow } from "./oauth-token-row.ts";

/** An access token in this process's memory. Times are by a clock that only grows, ms. */
export interface HeldToken extends SeenRow {
  readonly accessToken: string;
  readonly obtainedAt: number;
  readonly renewAt: number;
  readonly expiresAt: number;
  readonly refusals: number;
}

/**
 * How long until a refusal of this token is worth a new one, ms; not positive: it is now.
 * @param now by the clock of the token's times
 */
export function worthRenewingInMs(held: HeldToken, now: number): number {
  return held.obtainedAt + leastAgeMs(held.refusals) - now;
}
