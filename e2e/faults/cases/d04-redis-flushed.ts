import assert from "node:assert/strict";
import type { FaultCase } from "../case.ts";
import { redisFlushed } from "../faults/redis.ts";

export const faultCase: FaultCase = {
  id: "D4",
  promise:
    "FLUSHALL on Redis under load, at 30 % and at 60 %: every accepted execution ended within 60 s, none twice",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["sleep", "echo", "count"]);
    const count = context.size(200, 1_000);
    const flushes: Promise<void>[] = [];
    let sofar = 0;
    const onAccepted = (): void => {
      sofar++;
      // What is queued at this moment is lost to Redis: the workers are slower than the submits.
      if (sofar === Math.floor(count * 0.3) || sofar === Math.floor(count * 0.6)) {
        flushes.push(redisFlushed.strike(bed, context, 0));
      }
    };
    await Promise.all([
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: context.between(50, 300) }),
        count: count / 2,
        onAccepted,
      }),
      ledger.load({
        engine: "echo",
        input: (n) => ({ n }),
        count: count / 4,
        paceMs: 20,
        onAccepted,
      }),
      ledger.load({
        engine: "count",
        input: () => ({ sink: bed.sink.url }),
        count: count / 4,
        paceMs: 20,
        onAccepted,
      }),
    ]);
    await Promise.all(flushes);
    assert.equal(flushes.length, 2);
    const { figures } = await ledger.audit(context.promised(60));
    assert.equal(figures.refused, 0);
  },
};
