import type { RetentionMetrics } from "../metrics/retention-metrics.ts";
import type { RetentionOptions } from "./retention.ts";

/** Tells the metrics of what was removed. */
export function reportRetention(
  metrics: RetentionMetrics,
): Required<Pick<RetentionOptions, "onRemoved" | "onLag">> {
  return {
    onRemoved: (kind, count) => metrics.purged.inc({ kind }, count),
    onLag: (lagMs) => metrics.lag.set(lagMs / 1_000),
  };
}
