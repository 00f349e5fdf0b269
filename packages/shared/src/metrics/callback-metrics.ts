import { Counter, Gauge, type Registry } from "prom-client";

/** What came of a try; `retry` is shown as `retried`. */
type Outcome = "delivered" | "retry" | "failed" | "gone" | "disabled";

/** What a worker tells of the callbacks that it sends. */
export function createCallbackMetrics(registry: Registry) {
  const registers = [registry];
  const deliveries = new Counter({
    name: "tl_callback_deliveries_total",
    help: "Tries of callbacks by this worker: delivered, retried (failed, to be tried again), failed (for the last time), gone (410), disabled (the endpoint is switched off).",
    labelNames: ["result"],
    registers,
  });
  for (const result of ["delivered", "retried", "failed", "gone", "disabled"]) {
    deliveries.inc({ result }, 0);
  }
  return {
    count(outcome: Outcome): void {
      deliveries.inc({ result: outcome === "retry" ? "retried" : outcome });
    },
    lag: new Gauge({
      name: "tl_callback_oldest_due_seconds",
      help: "For how long the oldest of the callbacks that are due has been, over all workers; about 0 at rest.",
      registers,
    }),
  };
}

export type CallbackMetrics = ReturnType<typeof createCallbackMetrics>;
