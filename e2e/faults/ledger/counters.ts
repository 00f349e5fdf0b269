import type { Bed } from "../bed/bed.ts";

/** What /engines/metrics counts, over several engines. */
export interface Counters {
  accepted: number;
  ended: number;
  unfinished: number;
}

export async function readCounters(bed: Bed, engines: readonly string[]): Promise<Counters> {
  const sums: Counters = { accepted: 0, ended: 0, unfinished: 0 };
  for (const { totals, queued, running, scheduled } of await bed.client().metrics({ engines })) {
    sums.accepted += totals.accepted;
    sums.ended += totals.succeeded + totals.failed + totals.canceled + totals.expired;
    sums.unfinished += queued + running + scheduled;
  }
  return sums;
}
