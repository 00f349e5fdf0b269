import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "O3",
  promise:
    "the reconciler (each 50 ms) and workers at the same moment: 1,000 executions that take about a lease, on workers that are frozen for about as long: what is completed is never overwritten",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const leaseMs = 2_000;
    const bed = await context.startBed({
      engines: ["sleep", "count", "flaky"],
      env: { TL_LEASE_SECONDS: String(leaseMs / 1_000), TL_RECONCILE_INTERVAL_MS: "50" },
    });
    const ledger = await context.openLedger(bed, ["count.deaf"]);
    let loading = true;
    // A worker that wakes as its lease ends settles while the reconciler takes back.
    const freezing = (async () => {
      let frozen = 0;
      while (loading) {
        await delay(context.between(200, 800));
        const workers = bed.livingWorkers();
        const victim = workers[context.between(0, workers.length - 1)];
        if (victim === undefined || !loading) continue;
        victim.signal("SIGSTOP");
        // Its lease was renewed up to a third of it ago.
        await delay(leaseMs * (0.6 + 0.5 * context.random()));
        victim.signal("SIGCONT");
        frozen++;
      }
      return frozen;
    })();
    try {
      await ledger.load({
        engine: "count.deaf",
        input: (n) => ({
          sink: bed.sink.url,
          ms: Math.round(leaseMs * (0.7 + ((n * 7_919) % 601) / 1_000)),
        }),
        count: context.size(60, 1_000),
        parallel: 30,
      });
      // Thirty places, each execution about a lease; some of them run again.
      const enough = context.size(60, 1_000) * 0.9;
      const until = performance.now() + (enough / 30) * leaseMs * 3;
      while (ledger.finished.size < enough && performance.now() < until) await delay(100);
    } finally {
      loading = false;
    }
    const frozen = await freezing;
    const { executions, figures } = await ledger.audit(context.promised(60));
    const all = [...executions.values()].flatMap(({ attempts = [] }) => attempts);
    const lost = all.filter(({ outcome }) => outcome === "worker_lost");
    const [late] = await bed.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM late_results WHERE execution_id = ANY ($1)",
      [[...executions.keys()]],
    );
    context.say(`${frozen} freezes, ${lost.length} taken back, ${late?.count} late results`);
    assert(lost.length > 0, "nothing was taken back: the reconciler had nothing to do");
    assert.equal(figures.endedTwice, 0);
  },
};
