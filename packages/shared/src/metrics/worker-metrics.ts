import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { createOutboundMetrics } from "./outbound-metrics.ts";

/** A worker's figures. */
export function createWorkerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    attempts: new Counter({
      name: "tl_attempts_total",
      help: "Attempts that ended in this worker, by how they ended.",
      labelNames: ["engine", "outcome"],
      registers,
    }),
    attemptDuration: new Histogram({
      name: "tl_attempt_duration_seconds",
      help: "Time from an attempt's start to its end.",
      labelNames: ["engine"],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600],
      registers,
    }),
    queueDepth: new Gauge({
      name: "tl_queue_depth",
      help: "Jobs that wait in the queue of an engine version.",
      labelNames: ["engine", "version"],
      registers,
    }),
    slots: new Gauge({
      name: "tl_slots",
      help: "Executions that this worker can run at once.",
      labelNames: ["engine", "version"],
      registers,
    }),
    slotsTaken: new Gauge({
      name: "tl_slots_taken",
      help: "Executions that this worker runs.",
      labelNames: ["engine", "version"],
      registers,
    }),
    outbound: createOutboundMetrics(registry),
  };
}

export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;
