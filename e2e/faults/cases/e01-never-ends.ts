import assert from "node:assert/strict";
import type { FaultCase } from "../case.ts";
import { misbehavingBed } from "../misbehaving/bed.ts";
import { assertAtWork, assertUnharmed, loadInnocents } from "../misbehaving/unharmed.ts";

const engines = ["stubborn", "stubborn.thread", "stubborn.process"];
const timeoutMs = 500;

export const faultCase: FaultCase = {
  id: "E1",
  promise:
    "an engine that never ends, in all three kinds of hosts: its signal aborts at its timeout (±250 ms), it is settled as timeout after the grace period, its retry never overlaps it, its place is free again",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed(misbehavingBed);
    const workers = bed.livingWorkers().map(({ pid }) => pid);
    const graceMs = context.size(1_000, 5_000);
    const ledger = await context.openLedger(bed, ["sleep", ...engines]);
    await Promise.all([
      loadInnocents(context, ledger, 200),
      ...engines.map((engine) =>
        // A few at a time: sixty hosts that start at once on two cores take longer than the engine's timeout to begin.
        ledger.load({
          engine,
          input: () => ({ sink: bed.sink.url }),
          count: context.size(3, 20),
          parallel: context.size(3, 1),
          paceMs: context.size(0, 1_500),
        }),
      ),
    ]);
    const audit = await ledger.audit(context.size(60_000, 300_000));
    assertUnharmed(audit, context);

    const abortedAfter: number[] = [];
    const endedAfter: number[] = [];
    for (const { engine, execution_id: id, attempts = [] } of audit.executions.values()) {
      if (!engine.startsWith("stubborn")) continue;
      const beats = bed.sink.effectsOf(id).map(({ attempt }) => attempt);
      assert.deepEqual(
        beats,
        beats.toSorted((a, b) => a - b),
        `${engine} ${id}: its first attempt was still there when the second began`,
      );
      abortedAfter.push(
        ...bed.sink.effectsOf(`aborted-${id}`).map((effect) => Number(effect.idempotencyKey)),
      );
      for (const { started_at: from, finished_at: to } of attempts) {
        endedAfter.push(Date.parse(to ?? "") - Date.parse(from ?? ""));
      }
    }
    // In the short form, and on a busy machine, a host may not get to tell of it within a second.
    const heard = abortedAfter.length / endedAfter.length;
    assert(heard <= 1 && heard >= context.size(0.5, 1), "a signal was not heard, or twice");
    const [first, last] = [Math.min(...abortedAfter), Math.max(...abortedAfter)];
    // The engine reckons from its own first line, the timeout from before its host was there: on a busy machine the two are
    // apart by as long as a host takes to start. So the short form asks that the signal comes; the end below is by the record.
    const [early, late] = [context.size(timeoutMs, 250), context.size(10_000, 250)];
    context.say(
      `${abortedAfter.length} signals after ${first.toFixed()} to ${last.toFixed()} ms, ends after ${Math.min(...endedAfter)} to ${Math.max(...endedAfter)} ms`,
    );
    assert(first >= timeoutMs - early && last <= timeoutMs + late, "a signal was early or late");
    assert(Math.min(...endedAfter) >= timeoutMs + graceMs - 250, "the grace period was cut short");
    await assertAtWork(bed, workers);
  },
};
