import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { apiKilled } from "../faults/processes.ts";
import { withRedis } from "../faults/redis.ts";

export const faultCase: FaultCase = {
  id: "D3",
  promise:
    "kill -9 of an API, 200 times at random moments under load: every accepted one ended within 30 s; what is sent again with its key is the same execution",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["count"]);
    const kills = context.size(3, 200);
    let over = false;
    const load = ledger.load({
      engine: "count",
      input: () => ({ sink: bed.sink.url }),
      goOn: () => !over || ledger.orders.size < context.size(200, 1_000),
      // 200 kills take minutes.
      paceMs: context.size(80, 250),
    });
    try {
      for (let n = 0; n < kills; n++) {
        await delay(context.between(50, 500));
        await apiKilled.strike(bed, context, 0);
      }
    } finally {
      over = true;
      await load;
    }
    const { figures } = await ledger.audit(context.promised(30));
    const answers = new Set(ledger.submits().map(({ status }) => status));
    context.say(
      `${kills} kills, ${figures.unanswered} submits without an answer, answers ${[...answers].join(" ")}`,
    );
    assert(figures.unanswered > 0, "no kill took an answer away");
    ledger.assertNoRefusals();
    if (context.backend === "redis") await assertCountersExpire(bed);
  },
};

/** A counter without an expiry would lock a key out for ever (K3): no kill may leave one. */
async function assertCountersExpire(bed: Bed): Promise<void> {
  await withRedis(bed, async (redis) => {
    const counters = await redis.keys("engine:ratelimit:*");
    assert(counters.length > 0, "nothing was counted");
    for (const counter of counters)
      assert((await redis.pttl(counter)) > 0, `${counter} never expires`);
  });
}
