import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveryItem } from "@tl-engine/shared/queue/queue.ts";
import type { StartedExecution, Starter } from "@tl-engine/shared/executions/start.ts";
import { maxLosses } from "@tl-engine/shared/executions/state.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import type { Conclude } from "./conclude.ts";
import type { Hosts } from "./host/hosts.ts";
import type { InHand, InHandList } from "./in-hand.ts";
import type { RemoteOrderOf } from "./remote-orders.ts";
import type { ServedEngine } from "./served-engine.ts";

export interface WorkOptions {
  starter: Starter;
  hosts: Hosts;
  inHand: InHandList;
  conclude: Conclude;
  /** Puts what was taken and could not be started back into the queue. */
  putBack(engine: ServedEngine, items: DeliveryItem[]): Promise<void>;
  remoteOrder: RemoteOrderOf;
  /** Aborts when this worker starts nothing new. */
  stopping: AbortSignal;
  log: Log;
}

/** Takes deliveries of one engine version: starts what they carry as places get free, runs it, and has it concluded. */
export interface Work {
  /** The queue's handler: comes with a free place in hand and returns when it holds one again. */
  take(engine: ServedEngine, items: DeliveryItem[]): Promise<void>;
}

/** See {@link Work}. */
export function createWork(options: WorkOptions): Work {
  const { starter, hosts, inHand, conclude, stopping, log } = options;

  /** Starts a group in one call; each item has a place. */
  async function start(engine: ServedEngine, items: DeliveryItem[]): Promise<void> {
    const { id: engineId, version, policy } = engine.descriptor;
    const entries = new Map<string, InHand>();
    for (const [id] of items) {
      // One that is here already comes by a doubled delivery; Postgres will say that there is nothing to start.
      if (inHand.get(id) === undefined) entries.set(id, inHand.add(id));
    }
    let started: StartedExecution[] = [];
    try {
      started = await starter.start(
        { engineId, version, concurrency: policy.concurrency },
        items,
        stopping,
      );
    } finally {
      for (const execution of started) {
        const entry = entries.get(execution.id) ?? inHand.add(execution.id);
        entries.delete(execution.id);
        void run(engine, execution, entry);
      }
      for (const [id, entry] of entries) inHand.remove(id, entry);
      engine.slots.release(items.length - started.length);
    }
  }

  async function run(
    engine: ServedEngine,
    execution: StartedExecution,
    entry: InHand,
  ): Promise<void> {
    const startedAt = performance.now();
    entry.dispatch = execution.dispatch;
    entry.startedAt = startedAt;
    entry.run = hosts.run({
      engine: engine.hosted,
      executionId: execution.id,
      callerId: execution.callerId,
      attempt: execution.attempt,
      dispatch: execution.dispatch,
      inputText: execution.inputText,
      traceparent: execution.traceparent,
      timeoutMs: execution.timeoutMs,
      alone: engine.remote === undefined ? aloneOf(execution) : null,
      remote: options.remoteOrder(engine, execution),
    });
    const end = await entry.run.ended;
    entry.run = null;
    // The place is free though the end is not recorded yet: the next one starts meanwhile.
    engine.slots.release(1);
    await conclude(engine, execution, end, performance.now() - startedAt);
    inHand.remove(execution.id, entry);
  }

  return {
    async take(engine, items) {
      const waiting = [...items];
      let failed = false;
      while (waiting.length > 0) {
        if (!(await engine.slots.enter())) break;
        const group = waiting.splice(0, 1 + engine.slots.takeMore(waiting.length - 1));
        try {
          await start(engine, group);
        } catch (error) {
          // Whatever of it was started though is found by comparing with the record.
          if (!stopping.aborted)
            log.error({ err: error, engine: engine.name }, "executions could not be started");
          waiting.unshift(...group);
          failed = true;
          break;
        }
      }
      if (waiting.length > 0) await options.putBack(engine, waiting);
      // They come back at once: without a pause a lasting fault would keep this process and the queue busy.
      if (failed) await sleep(1_000, undefined, { signal: stopping }).catch(() => undefined);
      await engine.slots.hold();
    },
  };
}

/** What took workers with it may do so again: it gets a process. What is only suspected of its host's end gets a thread. */
function aloneOf({ alone, losses }: StartedExecution): "thread" | "process" | null {
  if (losses >= maxLosses - 1) return "process";
  return alone ? "thread" : null;
}
