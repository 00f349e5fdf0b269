import assert from "node:assert/strict";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "O4",
  promise: "without a fault nothing runs twice: 10,000 executions, 10,000 effects",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["count"], { watch: false });
    const count = context.size(1_000, 10_000);
    const startedAt = performance.now();
    await ledger.load({
      engine: "count",
      input: () => ({ sink: bed.sink.url }),
      count,
      parallel: 32,
    });
    const { executions } = await ledger.audit(context.promised(60) + count * 20);
    const seconds = (performance.now() - startedAt) / 1_000;
    let effects = 0;
    for (const [id, { attempts }] of executions) {
      effects += bed.sink.effectsOf(id).length;
      assert.deepEqual(
        attempts?.map(({ outcome }) => outcome),
        ["succeeded"],
      );
    }
    assert.equal(effects, count);
    context.say(`${count} executions, ${effects} effects, ${Math.round(count / seconds)} a second`);
  },
};
