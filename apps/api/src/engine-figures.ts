import type { EngineMetrics, EngineState, EngineStatus } from "@tl-engine/contract";
import type { EngineFigures } from "@tl-engine/shared/executions/figures.ts";

/** The mean run time of an engine that has no result yet, seconds. */
const unknownRunSeconds = 1;
/** How long a backlog may last before more workers are wanted, seconds. */
const targetBacklogSeconds = 10;

const nothing = { p50: null, p95: null, p99: null };

/** The figures of an engine that nobody has served or used yet. */
function zeros(id: string): EngineFigures {
  return {
    id,
    queued: 0,
    running: 0,
    scheduled: 0,
    runnable: 0,
    oldestQueuedSeconds: 0,
    workers: 0,
    slots: 0,
    finishedLast5m: 0,
    meanRunSeconds: null,
    queue: nothing,
    run: nothing,
    totals: { accepted: 0, succeeded: 0, failed: 0, canceled: 0, expired: 0 },
  };
}

/** An engine's state, from whether anybody serves it. */
export function stateOf(isServed: boolean): EngineState {
  return isServed ? "active" : "no_workers";
}

/** An engine as `/engines/status` tells it. */
export function describeEngineStatus(id: string, known: EngineFigures | undefined): EngineStatus {
  const figures = known ?? zeros(id);
  return {
    id,
    state: stateOf(figures.workers > 0),
    queued: figures.queued,
    running: figures.running,
    oldest_queued_seconds: round(figures.oldestQueuedSeconds),
    workers: figures.workers,
  };
}

/**
 * An engine as `/engines/metrics` tells it. `desired_workers`: as many as work the backlog off in ten seconds, with
 * the slots that a worker has now; none where nothing runs or waits.
 */
export function describeEngineMetrics(id: string, known: EngineFigures | undefined): EngineMetrics {
  const figures = known ?? zeros(id);
  const { runnable, running, slots, workers } = figures;
  const mean = figures.meanRunSeconds ?? unknownRunSeconds;
  const slotsPerWorker = workers > 0 ? Math.max(1, slots / workers) : 10;
  const wantedSlots = running + (runnable * mean) / targetBacklogSeconds;
  return {
    id,
    queued: figures.queued,
    running,
    scheduled: figures.scheduled,
    runnable,
    oldest_queued_seconds: round(figures.oldestQueuedSeconds),
    throughput_per_second: round(figures.finishedLast5m / 300),
    backlog_seconds: round((runnable * mean) / Math.max(1, slots)),
    workers,
    slots,
    desired_workers: Math.ceil(wantedSlots / slotsPerWorker),
    queue_seconds: figures.queue,
    run_seconds: figures.run,
    totals: figures.totals,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
