import { Counter, Gauge, type Registry } from "prom-client";

/** What leaves by its age, told by the process that leads. */
export function createRetentionMetrics(registry: Registry) {
  const registers = [registry];
  return {
    purged: new Counter({
      name: "tl_retention_purged_total",
      help: "Rows removed by their age: execution, outbound_call, tombstone, idempotency_key.",
      labelNames: ["kind"],
      registers,
    }),
    lag: new Gauge({
      name: "tl_retention_lag_seconds",
      help: "For how long not all that was due for removal has been removed; a few seconds at rest. 0 where no leader is.",
      registers,
    }),
  };
}

export type RetentionMetrics = ReturnType<typeof createRetentionMetrics>;
