import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { allWorkersKilled } from "../faults/processes.ts";
import { eventually } from "../../support/eventually.ts";

export const faultCase: FaultCase = {
  id: "D2",
  promise:
    "kill -9 of all workers at once for 60 s, under load: nothing is lost, all ended within 60 s after they are back",
  backends: bothBackends,
  short: ["postgres"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["sleep"]);
    const count = context.size(200, 1_000);
    const awayMs = context.size(5_000, 60_000);
    // As long as they are away submits come, and are accepted.
    const lanes = 8;
    const load = ledger.load({
      engine: "sleep",
      input: () => ({ ms: context.between(100, 800) }),
      count,
      parallel: lanes,
      paceMs: (awayMs * lanes) / count,
    });
    await eventually(
      "a tenth is accepted",
      () => (ledger.accepted.size > count / 10 ? true : null),
      {
        withinMs: 60_000,
      },
    );
    await allWorkersKilled.strike(bed, context, awayMs);
    await load;
    await ledger.audit(context.promised(60));
    ledger.assertNoRefusals();
  },
};
