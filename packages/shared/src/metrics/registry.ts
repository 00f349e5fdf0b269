import { collectDefaultMetrics, Registry } from "prom-client";

/**
 * A process's figures, with those of the process itself (CPU, memory, event loop, garbage collection) under
 * `tl_`. Every figure carries `app`, so that API and workers are told apart in one query.
 */
export function createMetrics(app: "api" | "worker"): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ app });
  collectDefaultMetrics({ register: registry, prefix: "tl_" });
  return registry;
}
