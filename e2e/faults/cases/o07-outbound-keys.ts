import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "O7",
  promise:
    "1,000 executions send a key with each call to the outside that is one for each execution and step and the same in every attempt, also where a worker was killed in between",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["count", "steps"]);
    const count = context.size(60, 1_000);
    const { sink } = bed;
    await ledger.load({
      engine: "steps",
      input: (n) => ({ sink: sink.url, failures: n % 3 }),
      count,
      parallel: 16,
    });
    // Refused by the sink at first, and then in the hands of a worker that dies.
    const refused = await Promise.all(
      [0, 1, 2].map((fail) =>
        ledger.submit({ engine: "count", input: { sink: sink.url, fail, hold: true } }),
      ),
    );
    await Promise.all(refused.map((id, fail) => sink.arrived(id, fail + 1)));
    const [first, second, last] = refused as [string, string, string];
    const worker = await eventually("the last one is in its third attempt", async () => {
      const { attempt, attempts } = await bed.client().status(last, { include: ["attempts"] });
      return attempt === 3 ? attempts?.at(-1)?.worker_id : null;
    });
    const victim = await bed.workerById(worker);
    await victim.kill();
    await sink.arrived(last, 4);
    for (const id of [first, second, last]) sink.release(id);
    await bed.complete();
    const { executions } = await ledger.audit(context.promised(60));

    const seen = new Map<string, string>();
    let calls = 0;
    for (const { execution_id: id, engine } of executions.values()) {
      const effects = sink.effectsOf(id);
      calls += effects.length;
      const steps = engine === "steps" ? 3 : 1;
      const keys = effects.map(({ idempotencyKey }) => idempotencyKey);
      // In the order in which an attempt makes its calls; one that is cut off begins anew.
      const ofSteps = [...new Set(keys)];
      assert.equal(ofSteps.length, steps, `${id} used ${ofSteps.length} keys for ${steps} steps`);
      keys.forEach((key, n) => {
        const next = n === 0 ? 0 : ofSteps.indexOf(keys[n - 1] ?? null) + 1;
        const isNext = key === ofSteps[next % steps] || key === ofSteps[0];
        assert(isNext, `${id} changed its keys: ${keys.join(", ")}`);
      });
      for (const key of ofSteps) {
        assert(key !== null && key !== "", `${id} called without a key`);
        assert.equal(seen.get(key), undefined, `${id} and ${seen.get(key)} share ${key}`);
        seen.set(key, id);
      }
    }
    context.say(`${calls} calls under ${seen.size} keys`);
    assert.equal(sink.effectsOf(last).length, 4);
  },
};
