import type { FaultCase } from "../case.ts";
import { eventually } from "../../support/eventually.ts";
import { countDeliverable } from "../bed/checks.ts";
import { redisAway } from "../faults/redis.ts";

export const faultCase: FaultCase = {
  id: "D6",
  promise:
    "Redis restarted empty under load, without AOF: every accepted execution ended within 60 s, none twice",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["sleep", "count"]);
    const count = context.size(240, 1_000);
    let restarted = false;
    let sleeping = 0;
    const load = Promise.all([
      // More than the workers have slots for: what waits in Redis is what a restart takes.
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(300, 800) }),
        goOn: () => sleeping++ < count / 2 || !restarted,
        parallel: 24,
      }),
      ledger.load({
        engine: "count",
        input: () => ({ sink: bed.sink.url }),
        count: count / 2,
        paceMs: 20,
      }),
    ]);
    await eventually(
      "a third is accepted, and some of it waits",
      async () =>
        ledger.accepted.size > count / 3 && (await countDeliverable(bed)) > 10 ? true : null,
      { withinMs: 60_000, everyMs: 10 },
    );
    context.say(`${await countDeliverable(bed)} executions waited in Redis when it ended`);
    await redisAway.strike(bed, context, 0);
    restarted = true;
    await load;
    await ledger.audit(context.promised(60));
    ledger.assertNoRefusals();
  },
};
