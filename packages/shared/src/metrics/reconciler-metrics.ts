import { Counter, Gauge, type Registry } from "prom-client";

/** The reconciler's figures; it runs in API and worker processes, and one of them leads. */
export function createReconcilerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    lag: new Gauge({
      name: "tl_reconciler_lag_seconds",
      help: "How long the oldest execution that is due waits to be enqueued. Told by the leader; 0 elsewhere.",
      registers,
    }),
    putBack: new Counter({
      name: "tl_reconciler_put_back_total",
      help: "Executions that were enqueued again, by why they were stranded.",
      labelNames: ["reason"],
      registers,
    }),
  };
}

export type ReconcilerMetrics = ReturnType<typeof createReconcilerMetrics>;
