import assert from "node:assert/strict";
import { strangeResults } from "../../engines/strange.ts";
import type { FaultCase } from "../case.ts";
import { hosts, misbehavingBed } from "../misbehaving/bed.ts";
import { assertAtWork } from "../misbehaving/unharmed.ts";

export const faultCase: FaultCase = {
  id: "E6",
  promise:
    "a result that cannot be kept (13 kinds, 20 MiB and a depth of 10,000 among them), in all three kinds of hosts: failed with a reason, never left running",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed(misbehavingBed);
    const workers = bed.livingWorkers().map(({ pid }) => pid);
    const engines = hosts.map((host) => `strange.${host}`);
    const ledger = await context.openLedger(bed, engines);
    for (const engine of engines) {
      await ledger.load({
        engine,
        input: (n) => ({ returns: strangeResults[n % strangeResults.length] }),
        count: strangeResults.length * context.size(2, 26),
      });
    }
    const { executions } = await ledger.audit(context.size(60_000, 300_000));
    for (const { execution_id: id, error } of executions.values()) {
      assert.notEqual(error?.detail.trim(), "", `${id} gives no reason`);
    }
    context.say(`${executions.size} results of ${strangeResults.length} kinds`);
    await assertAtWork(bed, workers);
  },
};
