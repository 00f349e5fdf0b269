import { eventually } from "../../support/eventually.ts";
import { countDeliverable } from "../bed/checks.ts";
import type { FaultCase } from "../case.ts";
import { redisFlushed } from "../faults/redis.ts";

export const faultCase: FaultCase = {
  id: "D4",
  promise:
    "FLUSHALL on Redis under load, at 30 % and at 60 %: every accepted execution ended within 60 s, none twice",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["sleep", "echo", "count"]);
    const count = context.size(240, 1_000);
    const taken: number[] = [];
    let sleeping = 0;
    const load = Promise.all([
      // More than the workers have slots for: what waits in Redis is what a flush takes.
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(300, 800) }),
        goOn: () => sleeping++ < count / 2 || taken.length < 2,
        parallel: 24,
      }),
      ledger.load({ engine: "echo", input: (n) => ({ n }), count: count / 4, paceMs: 20 }),
      ledger.load({
        engine: "count",
        input: () => ({ sink: bed.sink.url }),
        count: count / 4,
        paceMs: 20,
      }),
    ]);
    for (const share of [0.3, 0.6]) {
      await eventually(
        `${share * 100} % are accepted, and some of them wait`,
        async () =>
          ledger.accepted.size >= share * count && (await countDeliverable(bed)) > 10 ? true : null,
        { withinMs: 60_000, everyMs: 10 },
      );
      taken.push(await countDeliverable(bed));
      await redisFlushed.strike(bed, context, 0);
    }
    context.say(`${taken.join(" and ")} executions waited in Redis when it was emptied`);
    await load;
    await ledger.audit(context.promised(60));
    ledger.assertNoRefusals();
  },
};
