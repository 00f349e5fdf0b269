import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { FaultCase } from "../case.ts";

const poisons = ["poison.inline", "poison.thread"];

export const faultCase: FaultCase = {
  id: "E5",
  promise:
    "an execution that takes its whole worker down each time runs alone in a process after 2 losses, and ends as worker_lost at the 3rd, which takes no worker along; the others end, none failed for it",
  backends: ["redis", "postgres"],
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "poison"] });
    for (const engine of poisons) {
      const before = bed.deployment.workers.filter(({ ended }) => ended !== null).length;
      const ledger = await context.openLedger(bed, ["sleep", engine]);
      const load = ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(50, 400) }),
        count: context.size(100, 1_000),
        paceMs: context.size(200, 300),
      });
      await delay(context.size(500, 2_000));
      const id = await ledger.submit({ engine, input: {} });
      let supervising = true;
      const supervisor = (async () => {
        while (supervising) {
          await bed.complete();
          await delay(100);
        }
      })();
      try {
        await load;
        const { executions } = await ledger.audit(context.promised(120));
        const outcomes = executions.get(id)?.attempts?.map(({ outcome }) => outcome);
        assert.deepEqual(outcomes, ["worker_lost", "worker_lost", "failed"]);
        assert.match(executions.get(id)?.error?.detail ?? "", /ran alone.*SIGKILL/);
        const died = bed.deployment.workers.filter(({ ended }) => ended !== null);
        assert.equal(died.length - before, 2, "it took more or less than two workers down");
        const interrupted = [...executions.values()].filter(
          ({ attempts = [] }) => attempts.length > 1,
        );
        context.say(
          `${engine}: 2 workers died, ${interrupted.length - 1} others lost one, and ended`,
        );
      } finally {
        supervising = false;
        await supervisor;
      }
    }
  },
};
