import { eventually } from "../../support/eventually.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { allKilled } from "../faults/processes.ts";

export const faultCase: FaultCase = {
  id: "D10",
  promise:
    "all processes killed -9 at once under load and started anew: nothing accepted is lost, all ended within 60 s",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["sleep", "count"]);
    const count = context.size(100, 500);
    const load = Promise.all([
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(50, 1_000) }),
        count,
        parallel: 16,
      }),
      ledger.load({ engine: "count", input: () => ({ sink: bed.sink.url }), count, paceMs: 20 }),
    ]);
    await eventually("half is accepted", () => (ledger.accepted.size > count ? true : null), {
      withinMs: 60_000,
    });
    await allKilled.strike(bed, context, 0);
    await load;
    await ledger.audit(context.promised(60));
  },
};
