import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { pidsOf, untilAllReady } from "../bed/checks.ts";
import type { FaultCase } from "../case.ts";
import { assertAnswers, startsWithin } from "./d05-redis-away.ts";

export const faultCase: FaultCase = {
  id: "D5b",
  promise:
    "Redis stopped for 60 s while all workers sit idle, longer than their blocking fetch lasts (taskforcesh/bullmq#4585): work starts within 10 s of its return with no restart",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const before = pidsOf(bed);
    const ledger = await context.openLedger(bed, ["count", "echo"]);
    // They have fetched once, and wait now.
    await ledger.load({ engine: "count", input: () => ({ sink: bed.sink.url }), count: 20 });
    await delay(context.size(1_000, 10_000));
    await bed.redis.kill();
    // Their blocking fetch lasts 5 s.
    await delay(context.size(7_000, 60_000));
    await bed.redis.start();
    // Nothing else comes that could wake them, and then only to one of the queues.
    const starting = startsWithin(bed, context, 10);
    await ledger.submit({ engine: "count", input: { sink: bed.sink.url } });
    await starting;
    await ledger.load({ engine: "echo", input: (n) => n, count: 20 });
    await ledger.audit(context.promised(60));
    assertAnswers(ledger);
    assert.deepEqual(pidsOf(bed), before, "a process ended");
    await untilAllReady(bed, context.promised(10));
  },
};
