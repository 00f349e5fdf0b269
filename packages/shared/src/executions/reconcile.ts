import type pg from "pg";
import type { Queue } from "../queue/queue.ts";
import type { Signals } from "../signals/signals.ts";
import type { Canary } from "./canary.ts";
import { enginesAtCeiling, fillPlaces } from "./ceiling.ts";
import { endOverdue } from "./end-overdue.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { sweepFigures } from "./figures-sweep.ts";
import { giveUpLead, takeTurn } from "./leader.ts";
import { putBackOfLostProcesses, renewAllLeases } from "./lost-processes.ts";
import { makeDueReady, nextDueInMs } from "./make-ready.ts";
import { readReady } from "./ready.ts";
import { refillEmptyQueues } from "./refill.ts";
import { takeBackLost } from "./take-back.ts";

/** What one turn of the leader did. */
export interface TurnReport {
  madeReady: number;
  takenBack: number;
  ended: number;
  putBack: number;
  /** How long the turn took, ms. */
  durationMs: number;
  /** Steps that failed, by name. */
  failed: string[];
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
  signals: Signals;
  canary: Canary;
  leaseMs: number;
  /** Between two turns; shorter where the lease asks for it. */
  intervalMs: number;
  onError: (error: unknown) => void;
  onTurn?: (report: TurnReport) => void;
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
  const { pool, queue, enqueuer, signals, canary, leaseMs, onError } = options;
  const intervalMs = Math.min(options.intervalMs, leaseMs / turnsInALease);
  let timer: NodeJS.Timeout | null = null;
  let turn: Promise<void> | null = null;
  let stopped = true;
  /** Since when this process has reached Postgres in every turn, on its own clock. */
  let soundSince = Number.POSITIVE_INFINITY;
  let lastTurnAt = Number.NEGATIVE_INFINITY;
  let slowAt = 0;
  let queueLost = false;

  async function runTurn(): Promise<void> {
    const startedAt = performance.now();
    const lead = await takeTurn(pool, enqueuer.processId, Math.max(leaseMs, 3 * intervalMs));
    if (startedAt - lastTurnAt > leaseMs / 2) soundSince = startedAt;
    lastTurnAt = startedAt;
    if (lead === null) return;
    const report: TurnReport = {
      madeReady: 0,
      takenBack: 0,
      ended: 0,
      putBack: 0,
      durationMs: 0,
      failed: [],
    };
    const step = async (name: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        report.failed.push(name);
        onError(error);
      }
    };
    if (soundSince === startedAt) {
      await step("renew leases", () => renewAllLeases(pool, leaseMs));
    }
    await step("make due ready", async () => {
      report.madeReady = await makeDueReady(pool, enqueuer);
    });
    await step("take back lost", async () => {
      report.takenBack = await takeBackLost(pool, enqueuer, signals);
    });
    await step("end overdue", async () => {
      report.ended = await endOverdue(pool, signals);
    });
    await step("put back of lost processes", async () => {
      report.putBack += await putBackOfLostProcesses(pool, enqueuer);
    });
    await step("watch the queue", async () => {
      if ((await canary.sing(lead.tick, lead.previousTick)) === "lost") queueLost = true;
      if (!queueLost) return;
      for await (const rows of readReady(pool, {})) {
        await enqueuer.putBack(rows);
        report.putBack += rows.length;
      }
      queueLost = false;
    });
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
    if (startedAt - slowAt >= slowEveryMs) {
      slowAt = startedAt;
      await step("refill empty queues", async () => {
        report.putBack += await refillEmptyQueues(pool, queue, enqueuer);
      });
      await step("sweep figures", () => sweepFigures(pool));
    }
    report.durationMs = performance.now() - startedAt;
    options.onTurn?.(report);
  }

  async function pauseMs(): Promise<number> {
    const due = await nextDueInMs(pool).catch(() => null);
    return due === null ? intervalMs : Math.min(intervalMs, Math.max(5, due));
  }

  function schedule(inMs: number): void {
    if (stopped) return;
    timer = setTimeout(() => {
      turn = runTurn()
        .catch(onError)
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
      await giveUpLead(pool, enqueuer.processId).catch(onError);
    },
  };
}
