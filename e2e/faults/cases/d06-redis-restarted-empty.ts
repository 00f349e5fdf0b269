import assert from "node:assert/strict";
import type { FaultCase } from "../case.ts";
import { eventually } from "../../support/eventually.ts";
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
    const count = context.size(200, 1_000);
    const load = Promise.all([
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(50, 500) }),
        count: count / 2,
      }),
      ledger.load({
        engine: "count",
        input: () => ({ sink: bed.sink.url }),
        count: count / 2,
        paceMs: 20,
      }),
    ]);
    await eventually(
      "a third is accepted",
      () => (ledger.accepted.size > count / 3 ? true : null),
      {
        withinMs: 60_000,
      },
    );
    await redisAway.strike(bed, context, 0);
    await load;
    const { figures } = await ledger.audit(context.promised(60));
    assert.equal(figures.refused, 0);
  },
};
