import type { FaultCase } from "../case.ts";
import { misbehavingBed } from "../misbehaving/bed.ts";
import { assertAtWork, assertUnharmed, loadInnocents } from "../misbehaving/unharmed.ts";

const engines = ["leak", "leak.process", "leak.buffers"];

export const faultCase: FaultCase = {
  id: "E4",
  promise:
    "an engine that leaks to its limit (JavaScript heap in a thread; heap and buffers, 256 MiB of RSS, in a process): out_of_memory, nothing else is touched",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed(misbehavingBed);
    const workers = bed.livingWorkers().map(({ pid }) => pid);
    const ledger = await context.openLedger(bed, ["sleep", ...engines]);
    await Promise.all([
      loadInnocents(context, ledger, 200),
      ...engines.map((engine) =>
        ledger.load({ engine, input: () => ({}), count: context.size(3, 20), parallel: 1 }),
      ),
    ]);
    assertUnharmed(await ledger.audit(context.size(90_000, 600_000)), context);
    await assertAtWork(bed, workers);
  },
};
