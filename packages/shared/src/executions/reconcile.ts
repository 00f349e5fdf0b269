import type pg from "pg";
import { releaseStranded } from "../breakers/release-stranded.ts";
import type { Queue } from "../queue/queue.ts";
import type { Signals } from "../signals/signals.ts";
import type { Backlog } from "./backlog.ts";
import type { Canary } from "./canary.ts";
import { enginesAtCeiling, fillPlaces } from "./ceiling.ts";
import { endOverdueHandedOver } from "./end-handed-over.ts";
import { endOverdue } from "./end-overdue.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { sweepFigures } from "./figures-sweep.ts";
import { readHandedOver, type HandedOverFigures } from "./handed-over-figures.ts";
import { giveUpLead, takeTurn, type Turn } from "./leader.ts";
import { putBackOfLostProcesses, renewAllLeases } from "./lost-processes.ts";
import { makeDueReady, nextDueInMs } from "./make-ready.ts";
import { putBackAfterLoss, refillEmptyQueues } from "./put-back.ts";
import type { Retention } from "./retention.ts";
import { enginesWithPending } from "./refill.ts";
import { takeBackLost } from "./take-back.ts";

/** What one turn of the leader did. */
export interface TurnReport {
  madeReady: number;
  takenBack: number;
  ended: number;
  putBack: number;
  /** How long the turn took, ms. */
  durationMs: number;
  /** How long after it should have begun it ended, ms. */
  lagMs: number;
  /** Steps that failed, by name. */
  failed: string[];
  /** What services hold, as it was a few seconds ago; none where this process does not lead. */
  handedOver: readonly HandedOverFigures[];
}

export interface Reconciler {
  start(): void;
  /** Ends the turn under way and lets another process lead. */
  stop(): Promise<void>;
}

export interface ReconcilerOptions {
  pool: pg.Pool;
  queue: Queue;
  enqueuer: Enqueuer;
  backlog: Backlog;
  signals: Signals;
  canary: Canary;
  leaseMs: number;
  /** Between two turns; shorter where the lease asks for it. */
  intervalMs: number;
  onError: (error: unknown) => void;
  onTurn?: (report: TurnReport) => void;
  /** Removes what is older than it has to be kept; left out: nothing is removed. */
  retention?: Retention;
}

/** How often the dearer checks run, ms. */
const slowEveryMs = 5_000;
/** Turns in a lease, at least: turns further apart than half a lease look like an outage, after which none is judged. */
const turnsInALease = 5;

/**
 * Keeps the record and the queue true to each other: makes due executions ready, takes back what lost its worker, ends
 * what is past its deadline, and puts back what the queue has lost. Runs in every process; one of them leads at a time.
 */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { pool, queue, enqueuer, backlog, signals, canary, leaseMs, onError } = options;
  const intervalMs = Math.min(options.intervalMs, leaseMs / turnsInALease);
  let timer: NodeJS.Timeout | null = null;
  let turn: Promise<void> | null = null;
  let stopped = true;
  /** Since when this process has reached Postgres in every turn, on its own clock. */
  let soundSince = Number.NEGATIVE_INFINITY;
  /** It has not for a whole lease: before it judges any, all leases have to start anew. */
  let owesRenewal = false;
  let lastTurnAt = Number.NEGATIVE_INFINITY;
  /** The same by Postgres' clock. */
  let lastTurnAtMs = Number.NEGATIVE_INFINITY;
  let slowAt = Number.NEGATIVE_INFINITY;
  /** The largest number that this process has written to the queue's store. */
  let sung = 0;
  /** Putting back may take longer than a turn, and must not keep the turns from coming. */
  let care: Promise<void> | null = null;
  let putBack = 0;
  let handedOver: HandedOverFigures[] = [];
  let led = false;
  let plannedAt = 0;

  /** Steps of which one that fails does not keep the others from their work. */
  function stepsOf(failed: string[]) {
    return async (name: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failed.push(name);
        onError(error);
      }
    };
  }

  async function careForQueue(lead: Turn, at: string, failed: string[]): Promise<void> {
    const step = stepsOf(failed);
    await step("put back of lost processes", async () => {
      putBack += await putBackOfLostProcesses(pool, enqueuer, at);
    });
    await step("watch the queue", async () => {
      const known = { tick: lead.tick, sung: Math.max(lead.sung, sung) };
      putBack += await putBackAfterLoss(pool, enqueuer, canary, known);
      sung = lead.tick;
    });
    if (performance.now() - slowAt < slowEveryMs) return;
    slowAt = performance.now();
    await step("refill empty queues", async () => {
      putBack += await refillEmptyQueues(pool, queue, enqueuer);
    });
    await step("sweep figures", () => sweepFigures(pool));
    await step("count what is handed over", async () => {
      handedOver = await readHandedOver(pool);
    });
  }

  /** @returns whether this process leads */
  async function runTurn(): Promise<boolean> {
    const startedAt = performance.now();
    const leadMs = Math.max(leaseMs, 3 * intervalMs);
    const { at, atMs, lead } = await takeTurn(pool, enqueuer.processId, leadMs, sung);
    // Leases run by Postgres' clock, which also leaps where ours stands still: a machine that slept, a clock put right.
    const gapMs = Math.max(startedAt - lastTurnAt, atMs - lastTurnAtMs);
    if (gapMs > leaseMs / 2) {
      soundSince = startedAt;
      owesRenewal = true;
    }
    if (startedAt - soundSince > leaseMs) owesRenewal = false;
    lastTurnAt = startedAt;
    lastTurnAtMs = atMs;
    const report: TurnReport = {
      madeReady: 0,
      takenBack: 0,
      ended: 0,
      putBack,
      durationMs: 0,
      lagMs: 0,
      failed: [],
      handedOver: lead === null ? [] : handedOver,
    };
    putBack = 0;
    if (lead === null) {
      // Whoever led until now has no lag any more.
      if (led) options.onTurn?.(report);
      led = false;
      options.retention?.rest();
      return false;
    }
    led = true;
    options.retention?.work();
    const step = stepsOf(report.failed);
    if (owesRenewal) {
      await step("renew leases", async () => {
        await renewAllLeases(pool, leaseMs);
        owesRenewal = false;
      });
    }
    await step("release parked", () => releaseStranded(pool, signals));
    await step("make due ready", async () => {
      report.madeReady = await makeDueReady(pool, enqueuer, backlog);
    });
    if (!owesRenewal) {
      await step("take back lost", async () => {
        report.takenBack = await takeBackLost(pool, enqueuer, signals, at);
      });
      await step("end overdue", async () => {
        report.ended = await endOverdue(pool, signals);
      });
      await step("end overdue handed over", async () => {
        report.ended += await endOverdueHandedOver(pool, signals);
      });
    }
    await step("fill places", async () => {
      for (const engine of await enginesAtCeiling(pool)) {
        const ticket = enqueuer.open();
        try {
          const rows = await fillPlaces(pool, enqueuer.processId, engine);
          void enqueuer.enqueue(ticket, rows);
        } catch (error) {
          enqueuer.drop(ticket, "unknown");
          throw error;
        }
      }
    });
    // Whoever recorded it brings it in; should that process be gone, this one does.
    await step("look for a backlog", async () => {
      for (const engine of await enginesWithPending(pool)) backlog.look(engine);
    });
    if (!owesRenewal) {
      care ??= careForQueue(lead, at, report.failed).finally(() => {
        care = null;
      });
    }
    report.durationMs = performance.now() - startedAt;
    report.lagMs = performance.now() - plannedAt;
    options.onTurn?.(report);
    return true;
  }

  /** The leader comes back in time for what is due next; the others only look whether the lead is free. */
  async function pauseMs(leads: boolean): Promise<number> {
    const due = leads ? await nextDueInMs(pool).catch(() => null) : null;
    return due === null ? intervalMs : Math.min(intervalMs, Math.max(5, due));
  }

  function schedule(inMs: number): void {
    if (stopped) return;
    plannedAt = performance.now() + inMs;
    timer = setTimeout(() => {
      turn = runTurn()
        .catch((error: unknown) => {
          onError(error);
          return false;
        })
        .then(pauseMs)
        .then((ms) => {
          turn = null;
          schedule(ms);
        });
    }, inMs);
  }

  return {
    start() {
      if (!stopped) return;
      stopped = false;
      schedule(0);
    },
    async stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      await turn;
      await care;
      await options.retention?.stop();
      await giveUpLead(pool, enqueuer.processId).catch(onError);
    },
  };
}
