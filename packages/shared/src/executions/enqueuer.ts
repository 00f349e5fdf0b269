import type pg from "pg";
import { defaultQueryTimeoutMs } from "../db/database.ts";
import { createBatcher } from "../batch/batcher.ts";
import type { Delivery, Queue } from "../queue/queue.ts";
import type { FaultHooks } from "./hooks.ts";
import { priorityOf } from "./record.ts";
import { readReady, type ReadyRow } from "./ready.ts";

/** An intention to record: opened before the statement, so that the mark below cannot pass what it will record. */
export interface Ticket {
  readonly floor: Date;
}

/**
 * Brings what is ready in Postgres into the queue, and knows up to when everything that this process recorded has
 * arrived there: should it die, what came later is enqueued by others.
 */
export interface Enqueuer {
  readonly processId: string;
  /** Has to be called before the statement that makes executions ready under this process' name. */
  open(): Ticket;
  /** Enqueues what that statement made ready. Never throws: what the queue does not take now, it is given later. */
  enqueue(ticket: Ticket, rows: readonly ReadyRow[]): Promise<void>;
  /** Gives up a ticket whose statement failed or whose outcome is not known. */
  drop(ticket: Ticket, outcome: "failed" | "unknown"): void;
  /** Enqueues rows that others recorded. @throws where the queue cannot be reached */
  putBack(rows: readonly ReadyRow[]): Promise<void>;
  /** Everything that this process made ready up to this time, by Postgres' clock, is enqueued. */
  enqueuedThrough(): Date;
  /** Waits until what is under way is done, and stops. */
  close(): Promise<void>;
}

export interface EnqueuerOptions {
  processId: string;
  /** Postgres' time at the start of this process. */
  startedAt: Date;
  queue: Queue;
  pool: pg.Pool;
  /** Items of this engine version that may share one job. */
  perJob(engineId: string, version: number): number;
  onError: (error: unknown) => void;
  hooks?: FaultHooks;
  /** How long after a failure what is owed is tried again, ms. */
  retryMs?: number;
  /** How long a statement whose answer was lost may still be at work in Postgres, ms. */
  doubtMs?: number;
}

/** Postgres ends a statement by its timeout; the rest is for the way there. */
const defaultDoubtMs = defaultQueryTimeoutMs + 2_000;

/** See {@link Enqueuer}. */
export function createEnqueuer(options: EnqueuerOptions): Enqueuer {
  const { processId, queue, pool, perJob, onError, hooks } = options;
  const open = new Set<Ticket>();
  let lastSeen = options.startedAt;
  /** Since when something that this process made ready may be missing in the queue. */
  let owedFrom: Date | null = null;
  let retry: NodeJS.Timeout | null = null;
  /** Since when something may yet be committed by a statement that was given up. */
  let doubtFrom: Date | null = null;
  let doubt: NodeJS.Timeout | null = null;
  let closed = false;
  const underWay = new Set<Promise<unknown>>();

  const batcher = createBatcher<ReadyRow, void>({
    maxItems: 2_000,
    lanes: 1,
    async run(rows) {
      await queue.enqueue(group(rows, perJob));
      await hooks?.afterEnqueue?.();
      return rows.map(() => undefined);
    },
  });

  function owe(from: Date): void {
    if (owedFrom === null || from < owedFrom) owedFrom = from;
    if (!closed) retry ??= setTimeout(() => track(payBack()), options.retryMs ?? 1_000);
  }

  /** Owes it at once, and once more when the statement is over in any case. */
  function doubtSince(from: Date): void {
    owe(from);
    if (doubtFrom === null || from < doubtFrom) doubtFrom = from;
    if (doubt !== null) clearTimeout(doubt);
    if (closed) return;
    doubt = setTimeout(() => {
      if (doubtFrom !== null) owe(doubtFrom);
      doubtFrom = null;
      doubt = null;
    }, options.doubtMs ?? defaultDoubtMs);
    doubt.unref();
  }

  async function payBack(): Promise<void> {
    const from = owedFrom;
    retry = null;
    if (from === null || closed) return;
    // What fails from here on is owed anew.
    const ticket = { floor: from };
    open.add(ticket);
    owedFrom = null;
    try {
      for await (const rows of readReady(pool, { enqueuer: processId, from })) {
        await queue.enqueue(group(rows, perJob));
      }
    } catch (error) {
      onError(error);
      owe(from);
    } finally {
      open.delete(ticket);
    }
  }

  function track(work: Promise<unknown>): void {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  }

  return {
    processId,
    open() {
      const ticket = { floor: lastSeen };
      open.add(ticket);
      return ticket;
    },
    async enqueue(ticket, rows) {
      for (const row of rows) if (row.ready_at > lastSeen) lastSeen = row.ready_at;
      const work = Promise.all(rows.map((row) => batcher.add(row))).then(
        () => void open.delete(ticket),
        (error: unknown) => {
          onError(error);
          owe(ticket.floor);
          open.delete(ticket);
        },
      );
      track(work);
      await work;
    },
    drop(ticket, outcome) {
      if (outcome === "unknown") doubtSince(ticket.floor);
      open.delete(ticket);
    },
    async putBack(rows) {
      await queue.enqueue(group(rows, perJob));
    },
    enqueuedThrough() {
      let through = lastSeen;
      for (const { floor } of open) if (floor < through) through = floor;
      if (owedFrom !== null && owedFrom < through) through = owedFrom;
      if (doubtFrom !== null && doubtFrom < through) through = doubtFrom;
      return through;
    },
    async close() {
      closed = true;
      if (retry !== null) clearTimeout(retry);
      if (doubt !== null) clearTimeout(doubt);
      await Promise.allSettled(underWay);
    },
  };
}

/** Deliveries by engine version and priority, in the order in which the rows came. */
function group(
  rows: readonly ReadyRow[],
  perJob: (engineId: string, version: number) => number,
): Delivery[] {
  const deliveries = new Map<string, Delivery>();
  for (const row of rows) {
    const name = `${row.engine_id}@${row.version}/${row.priority}`;
    let delivery = deliveries.get(name);
    if (delivery === undefined) {
      delivery = {
        engineId: row.engine_id,
        version: row.version,
        priority: priorityOf(row.priority),
        items: [],
        perJob: perJob(row.engine_id, row.version),
      };
      deliveries.set(name, delivery);
    }
    delivery.items.push([row.id, row.dispatch]);
  }
  return [...deliveries.values()];
}

/** Longest time that the items of one job may take together, ms, and most items in one. */
const jobMs = 50;
const maxPerJob = 32;

/** Items that may share one job, from the usual duration that an engine declares (`short`, ms). */
export function itemsPerJob(shortMs: number | null): number {
  if (shortMs === null) return 1;
  return Math.max(1, Math.min(maxPerJob, Math.floor(jobMs / Math.max(shortMs, 1))));
}
