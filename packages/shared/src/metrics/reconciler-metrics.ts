import { Counter, Gauge, type Registry } from "prom-client";

/** The reconciler's figures; it runs in API and worker processes, and one of them leads. */
export function createReconcilerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    lag: new Gauge({
      name: "tl_reconciler_lag_seconds",
      help: "How late the leader's last turn ended, against when it should have begun. 0 where no leader is.",
      registers,
    }),
    putBack: new Counter({
      name: "tl_reconciler_put_back_total",
      help: "Executions that were enqueued again, by why they were stranded.",
      labelNames: ["reason"],
      registers,
    }),
    handedOver: new Gauge({
      name: "tl_handed_over",
      help: "Executions that services of remote engines have taken on and not completed. Told by the leader alone.",
      labelNames: ["engine"],
      registers,
    }),
    handedOverOldest: new Gauge({
      name: "tl_handed_over_oldest_seconds",
      help: "How long the oldest of them has been with its service, from the start of its attempt.",
      labelNames: ["engine"],
      registers,
    }),
  };
}

export type ReconcilerMetrics = ReturnType<typeof createReconcilerMetrics>;
