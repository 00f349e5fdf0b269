import assert from "node:assert/strict";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { hookArgs } from "../entry-points/hook-from-args.ts";

export const faultCase: FaultCase = {
  id: "D3b",
  promise:
    "kill -9 of the API between its record and its enqueue, and between its enqueue and its answer: ended within 30 s, and the same key gives the same single execution",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    for (const hook of ["afterRecord", "afterEnqueue"] as const) {
      const ledger = await context.openLedger(bed, ["count"]);
      const doomed = await bed.deployment.startApi({
        entryPoint: "e2e/faults/entry-points/api.ts",
        args: hookArgs({ hook }),
      });
      await doomed.ready();
      const order = { engine: "count", input: { sink: bed.sink.url } };
      const key = `${hook}-${context.seed}`;
      const answer = await ledger.caller.ask("/engines/execute", {
        json: order,
        key,
        api: doomed.name,
      });
      assert.deepEqual(await doomed.end, { code: null, signal: "SIGKILL" });
      // After the enqueue it may have been quick enough to answer.
      if (hook === "afterRecord") assert.equal(answer, null);
      const id = await ledger.resubmit(key, order);
      if (answer !== null) assert.equal(answer.json.execution_id, id);
      const { executions } = await ledger.audit(context.promised(30));
      assert.equal(executions.get(id)?.attempts?.length, 1);
      const replayed = await ledger.caller.ask("/engines/execute", { json: order, key });
      assert.equal(replayed?.headers.get("idempotency-replayed"), "true");
    }
  },
};
