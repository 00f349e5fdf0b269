import assert from "node:assert/strict";
import { pidsOf, untilAllReady } from "../bed/checks.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { cutSessionsFor } from "../faults/postgres.ts";

export const faultCase: FaultCase = {
  id: "D9",
  promise:
    "all Postgres connections cut each 2 s, 20 s long, under load: no process ends, less than 5 % of the answers are errors, all of them 503",
  backends: bothBackends,
  short: ["postgres"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const before = pidsOf(bed);
    const ledger = await context.openLedger(bed, ["sleep", "count"]);
    let over = false;
    const goOn = (): boolean => !over || ledger.orders.size < context.size(200, 1_000);
    const load = Promise.all([
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(10, 300) }),
        goOn,
        parallel: 4,
        paceMs: 20,
      }),
      ledger.load({
        engine: "count",
        input: () => ({ sink: bed.sink.url }),
        goOn,
        parallel: 4,
        paceMs: 20,
      }),
    ]);
    const cut = await cutSessionsFor(bed, context.size(7_000, 20_000), 2_000);
    over = true;
    await load;
    await ledger.audit(context.promised(60));
    const errors = ledger.tries.filter(({ status }) => status === null || status >= 300);
    context.say(
      `${cut} connections cut; ${errors.length} of ${ledger.tries.length} answers were errors`,
    );
    assert(cut > 20, "hardly anything was cut");
    assert.deepEqual(
      [...new Set(errors.map(({ status }) => status))].filter((status) => status !== 503),
      [],
    );
    assert(
      errors.length < 0.05 * ledger.tries.length,
      `${errors.length} of ${ledger.tries.length} answers were errors`,
    );
    assert.deepEqual(pidsOf(bed), before, "a process ended");
    await untilAllReady(bed, context.promised(10));
  },
};
