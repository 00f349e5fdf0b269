import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { FaultCase } from "../case.ts";

const slow = ["sleep", "spin.thread", "spin.process"];

export const faultCase: FaultCase = {
  id: "E9",
  promise:
    "200 executions each of slow engines do not keep those of a fast one waiting for more than 2 s",
  backends: ["redis", "postgres"],
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "spin"] });
    const ledger = await context.openLedger(
      bed,
      slow.map((engine) => engine),
    );
    const fast = await context.openLedger(bed, ["echo"]);
    const count = context.size(60, 200);
    await Promise.all(
      slow.map((engine) =>
        ledger.load({ engine, input: () => ({ ms: engine === "sleep" ? 1_500 : 50 }), count }),
      ),
    );
    let slowOnesWait = true;
    const done = ledger.audit(context.size(120_000, 300_000)).finally(() => {
      slowOnesWait = false;
    });
    while (slowOnesWait) {
      await fast.submit({ engine: "echo", input: "quick" });
      await delay(50);
    }
    await done;
    const { executions } = await fast.audit(10_000);
    const waits = [...executions.values()].map(
      ({ created_at: from, started_at: to }) => Date.parse(to ?? "") - Date.parse(from),
    );
    const longest = Math.max(...waits);
    context.say(`${waits.length} of the fast engine waited for at most ${longest} ms`);
    assert(longest <= 2_000, `one of the fast engine waited for ${longest} ms`);
  },
};
