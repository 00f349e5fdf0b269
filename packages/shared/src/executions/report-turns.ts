import type { Log } from "../log/log.ts";
import type { ReconcilerMetrics } from "../metrics/reconciler-metrics.ts";
import type { TurnReport } from "./reconcile.ts";

/** Tells the metrics of each turn of the reconciler, and the log of those that found something. */
export function createTurnReporter(
  log: Log,
  metrics: ReconcilerMetrics,
): (report: TurnReport) => void {
  let failedBefore = "";
  return ({ putBack, takenBack, ended, lagMs, durationMs, failed, handedOver }) => {
    metrics.lag.set(lagMs / 1_000);
    metrics.handedOver.reset();
    metrics.handedOverOldest.reset();
    for (const { engineId: engine, count, oldestSeconds } of handedOver) {
      metrics.handedOver.set({ engine }, count);
      metrics.handedOverOldest.set({ engine }, oldestSeconds);
    }
    metrics.putBack.inc({ reason: "not_enqueued" }, putBack);
    metrics.putBack.inc({ reason: "worker_lost" }, takenBack);
    // What fails goes on failing each second while Postgres or Redis is away: it is said once.
    const news = failed.join() !== failedBefore && failed.length > 0;
    failedBefore = failed.join();
    if (putBack + takenBack + ended === 0 && !news) return;
    log.info(
      { count: putBack + takenBack + ended, reasons: failed, duration_ms: durationMs },
      `reconciled: ${putBack} put back, ${takenBack} taken back, ${ended} ended`,
    );
  };
}
