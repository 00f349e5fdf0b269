import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { createPurgeWalk, purgeSlackMs, type ChorePage, type RemovedKind } from "./purge-walk.ts";
import { sweepKeys } from "./sweep-keys.ts";
import { createCallSweep } from "../outbound-log/sweep-calls.ts";
import { createOrphanSweep } from "./sweep-orphans.ts";
import { sweepTombstones } from "./tombstones.ts";

/** Removes, beside everything else, what is older than it has to be kept. The process that leads does it. */
export interface Retention {
  /** Goes on for a while in the background, if there is anything to do. Called in each of the leader's turns. */
  work(): void;
  /** This process does not lead: another one does it. */
  rest(): void;
  /** Resolves once the statement under way has ended. */
  stop(): Promise<void>;
}

export interface RetentionOptions {
  pool: pg.Pool;
  /** Finished executions leave this long after they finished, ms. */
  retentionMs: number;
  /** Outbound calls leave this long after they began, ms, and with their execution at the latest. */
  callRetentionMs: number;
  /** Their tombstones leave this long after that, ms. */
  tombstoneRetentionMs: number;
  onError: (error: unknown) => void;
  onRemoved?(kind: RemovedKind, count: number): void;
  /** How long ago all that was due had been removed, ms; 0 where this process does not do it. */
  onLag?(lagMs: number): void;
}

interface Chore {
  page(): Promise<ChorePage>;
  /** Between two looks that found nothing. */
  everyMs: number;
  nextAt: number;
}

/** The part of the time that statements may take. */
const share = 0.2;
/** How long one call of `work` goes on at most, ms: whoever loses the lead stops soon. */
const sliceMs = 1_000;
const longestPauseMs = 5_000;
/** Rows that a look found nothing of come this seldom; a look costs some tenths of a millisecond. */
const seldomMs = 60_000;

/** See {@link Retention}. */
export function createRetention(options: RetentionOptions): Retention {
  const { pool, retentionMs, callRetentionMs, tombstoneRetentionMs, onError } = options;
  const slackMs = purgeSlackMs(retentionMs);
  const executions: Chore = {
    ...createPurgeWalk(pool, retentionMs),
    everyMs: Math.min(longestPauseMs, slackMs),
    nextAt: 0,
  };
  const chores: Chore[] = [
    executions,
    {
      page: () => sweepTombstones(pool, tombstoneRetentionMs),
      everyMs: Math.min(seldomMs, tombstoneRetentionMs / 100),
      nextAt: 0,
    },
    {
      ...createCallSweep(pool, callRetentionMs),
      everyMs: Math.min(seldomMs, callRetentionMs / 100),
      nextAt: 0,
    },
    { page: () => sweepKeys(pool), everyMs: 5_000, nextAt: 0 },
    {
      ...createOrphanSweep(pool, retentionMs + slackMs),
      everyMs: Math.max(seldomMs, slackMs),
      nextAt: 0,
    },
  ];
  let stopping = new AbortController();
  let slice: Promise<void> | null = null;
  /** When nothing was left to remove, on this process' clock; null while another one leads. */
  let doneAt: number | null = null;

  async function onePage(chore: Chore, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    let more = false;
    let pauseMs = chore.everyMs;
    try {
      const page = await chore.page();
      more = page.more;
      for (const [kind, count] of Object.entries(page.removed) as [RemovedKind, number][]) {
        if (count > 0) options.onRemoved?.(kind, count);
      }
      if (!more && chore === executions && doneAt !== null) doneAt = performance.now();
    } catch (error) {
      onError(error);
      pauseMs = longestPauseMs;
    }
    const endedAt = performance.now();
    chore.nextAt = more ? endedAt : endedAt + pauseMs;
    const restMs = Math.min(longestPauseMs, ((endedAt - startedAt) * (1 - share)) / share);
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }

  async function work({ signal }: AbortController): Promise<void> {
    const until = performance.now() + sliceMs;
    for (;;) {
      // In turns, so that a long way behind with one of them does not keep the others.
      const due = chores.filter((chore) => chore.nextAt <= performance.now());
      if (due.length === 0) return;
      for (const chore of due) {
        if (signal.aborted || performance.now() >= until) return;
        await onePage(chore, signal);
      }
    }
  }

  return {
    work() {
      doneAt ??= performance.now();
      options.onLag?.(performance.now() - doneAt);
      slice ??= work(stopping).finally(() => {
        slice = null;
      });
    },
    rest() {
      if (doneAt === null) return;
      doneAt = null;
      options.onLag?.(0);
      stopping.abort();
      stopping = new AbortController();
    },
    async stop() {
      stopping.abort();
      await slice;
    },
  };
}
