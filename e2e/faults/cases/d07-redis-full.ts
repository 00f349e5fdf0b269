import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.ts";
import { request } from "../../support/request.ts";
import { pidsOf, untilAllReady } from "../bed/checks.ts";
import type { FaultCase } from "../case.ts";
import { fillRedis, withRedis } from "../faults/redis.ts";

export const faultCase: FaultCase = {
  id: "D7",
  promise:
    "Redis full (maxmemory 20mb, noeviction) under load: submits go on with 202, never 500, nothing accepted is lost; another policy is shown as degraded, with the reason",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const before = pidsOf(bed);
    const ledger = await context.openLedger(bed, ["sleep", "count"]);
    const count = context.size(60, 300);
    await ledger.load({ engine: "sleep", input: () => ({ ms: 300 }), count });
    const full = await fillRedis(bed, "20mb");
    await ledger.load({
      engine: "count",
      input: () => ({ sink: bed.sink.url }),
      count,
      paceMs: context.size(300, 600),
    });
    const refusals = full.refusals();
    await full.makeRoom();
    context.say(`Redis refused ${refusals} times to take more`);
    assert(refusals > 10, "Redis was not full");
    const { figures } = await ledger.audit(context.promised(60));
    ledger.assertNoRefusals();
    assert.equal(figures.unanswered, 0);
    assert.deepEqual(pidsOf(bed), before, "a process ended");

    await withRedis(bed, async (redis) => {
      await redis.config("SET", "maxmemory-policy", "allkeys-lru");
      try {
        await eventually("the APIs say that this Redis forgets", async () => {
          for (const { url } of bed.livingApis()) {
            const { status, json } = await request(`${url}/readyz`);
            assert.equal(status, 200);
            assert.match(
              String(json.degraded),
              /maxmemory-policy is allkeys-lru, must be noeviction/,
            );
          }
          return true;
        });
      } finally {
        await redis.config("SET", "maxmemory-policy", "noeviction");
      }
    });
    await untilAllReady(bed, context.promised(10));
  },
};
