import assert from "node:assert/strict";
import { otherApi } from "../bed/checks.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "D11",
  promise:
    "1,000 × submit and ask the other API process at once: the first status after a 202 is never 404",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["echo"]);
    const count = context.size(200, 1_000);
    const answers = new Map<string, number>();
    let next = 0;
    /** One after the other: what is asked for has just been answered. */
    const lane = async (): Promise<void> => {
      for (let n = next++; n < count; n = next++) {
        const apis = bed.livingApis();
        const asked = apis[n % apis.length]?.name ?? "";
        const key = `D11-${context.seed}-${n}`;
        const order = { engine: "echo", input: n };
        const accepted = await ledger.caller.ask("/engines/execute", {
          json: order,
          key,
          api: asked,
        });
        assert.equal(accepted?.status, 202);
        const id = accepted.json.execution_id as string;
        // Both ways to ask, in turn.
        const path = n % 4 < 2 ? `/executions/${id}` : `/engines/status?execution_id=${id}`;
        const answer = await ledger.caller.ask(path, { api: otherApi(bed, asked) });
        const unknown = ((answer?.json?.not_found ?? []) as string[]).length > 0;
        const status = unknown ? "404" : String(answer?.status);
        answers.set(status, (answers.get(status) ?? 0) + 1);
        assert.equal(await ledger.resubmit(key, order), id);
      }
    };
    await Promise.all([lane(), lane()]);
    context.say(
      `first statuses: ${[...answers].map(([code, times]) => `${times} × ${code}`).join(", ")}`,
    );
    assert.deepEqual([...answers.keys()], ["200"]);
    await ledger.audit(context.promised(30));
    ledger.assertNoRefusals();
  },
};
