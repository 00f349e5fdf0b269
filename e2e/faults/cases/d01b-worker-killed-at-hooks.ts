import assert from "node:assert/strict";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { hookArgs, type HookName } from "../entry-points/hook-from-args.ts";

/** Where a worker dies, and how often what it had in hand is started altogether. */
const hooks: readonly [HookName, number][] = [
  ["afterStart", 2],
  ["beforeSettle", 2],
  // Its result was recorded before it died: nothing is left to do.
  ["afterSettle", 1],
];

export const faultCase: FaultCase = {
  id: "D1b",
  promise:
    "kill -9 of a worker right after its start, right before and right after its settle: each ends once, within 30 s, with no attempt counted",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep", "count", "flaky"],
      alone: true,
      workers: 0,
    });
    for (const [hook, starts] of hooks) {
      const doomed = await bed.deployment.startWorker({
        entryPoint: "e2e/faults/entry-points/worker.ts",
        args: hookArgs({ hook }),
      });
      await doomed.ready();
      const ledger = await context.openLedger(bed, ["count"]);
      const id = await ledger.submit({ engine: "count", input: { sink: bed.sink.url } });
      assert.deepEqual(await doomed.end, { code: null, signal: "SIGKILL" });
      const successor = await bed.deployment.startWorker();
      await successor.ready();
      const { executions, moves } = await ledger.audit(context.promised(30));
      const { attempt, attempts } = executions.get(id) ?? {};
      assert.equal(attempt, 1, hook);
      assert.equal(moves.filter(({ to }) => to === "running").length, starts, hook);
      assert.deepEqual(
        attempts?.map(({ outcome }) => outcome),
        starts === 1 ? ["succeeded"] : ["worker_lost", "succeeded"],
        hook,
      );
      // An effect in each start that came so far.
      assert.equal(bed.sink.effectsOf(id).length, hook === "beforeSettle" ? 2 : 1, hook);
      await successor.kill();
    }
  },
};
