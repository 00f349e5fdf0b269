import type pg from "pg";
import { purgeLimits, purgePage, type PurgeLeg, type PurgeLimits } from "./purge.ts";

/** What one page of a chore came to. */
export interface ChorePage {
  /** Rows removed, by what they were. */
  removed: Partial<Record<RemovedKind, number>>;
  /** There may be more to do at once. */
  more: boolean;
}

export type RemovedKind = "execution" | "outbound_call" | "tombstone" | "idempotency_key";

const lowestId = "00000000-0000-0000-0000-000000000000";

/**
 * How much later than its due time an execution may leave, ms: the walk stays that much behind the ids that become due,
 * so that what took less time than that is met once and removed at once.
 */
export function purgeSlackMs(retentionMs: number): number {
  return retentionMs / 100;
}

/**
 * Walks the ids from the lowest one on, page by page, and removes what is due; at the end it waits there for new ones.
 *
 * It passes each id once. What it had to leave decides when it comes round again: a finished one becomes due at a time
 * that is known, and an unfinished one not before a whole time of retention from now, as it would have to finish first.
 * So a hundred thousand executions that wait for their start are walked over once in that time, not in every turn.
 */
export function createPurgeWalk(
  pool: pg.Pool,
  retentionMs: number,
  limits: PurgeLimits = purgeLimits,
): { page(): Promise<ChorePage> } {
  const slackMs = purgeSlackMs(retentionMs);
  let leg: PurgeLeg = "past";
  let after = lowestId;
  let atTheEnd = true;
  let roundAt = Number.NEGATIVE_INFINITY;
  let againAt = Number.NEGATIVE_INFINITY;
  /** Smaller after a page that failed, so that one which takes too long is not tried for ever as it is. */
  let size = limits.executions;

  return {
    async page() {
      const now = performance.now();
      if (atTheEnd && now >= Math.max(againAt, roundAt + slackMs)) {
        leg = "ahead";
        after = lowestId;
        roundAt = now;
        againAt = now + retentionMs;
      }
      atTheEnd = false;
      const tried = { ...limits, executions: size };
      size = Math.max(1, Math.floor(size / 2));
      const page = await purgePage(pool, { leg, after, retentionMs, slackMs, limits: tried });
      size = Math.min(limits.executions, tried.executions * 2);
      after = page.last ?? after;
      if (page.dueInMs !== null) againAt = Math.min(againAt, now + Math.max(0, page.dueInMs));
      const removed = { execution: page.executions, outbound_call: page.calls };
      if (page.more) return { removed, more: true };
      if (leg === "ahead") {
        leg = "past";
        after = lowestId;
        return { removed, more: true };
      }
      atTheEnd = true;
      return { removed, more: false };
    },
  };
}
