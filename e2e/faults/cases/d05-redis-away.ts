import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { pidsOf, untilAllReady } from "../bed/checks.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** No request takes longer while Redis is away, ms. */
const longestAnswerMs = 2_000;

export const faultCase: FaultCase = {
  id: "D5",
  promise:
    "Redis stopped for 60 s under load: submits go on with 202, no answer takes over 2 s, status and lists answer; back with what it had, work starts within 10 s with no restart, all ended within 60 s",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep", "count", "flaky"],
      redisKeepsData: true,
      alone: true,
    });
    const before = pidsOf(bed);
    const ledger = await context.openLedger(bed, ["sleep", "echo"]);
    let over = false;
    // Busy when Redis goes: more is queued than the workers have slots.
    const busy = ledger.load({
      engine: "sleep",
      input: () => ({ ms: context.between(200, 400) }),
      count: context.size(120, 600),
      parallel: 16,
    });
    await eventually("it is busy", () => (ledger.accepted.size > 40 ? true : null));
    await bed.redis.kill();
    const steady = ledger.load({
      engine: "echo",
      input: (n) => ({ n }),
      goOn: () => !over,
      parallel: 2,
      paceMs: 100,
    });
    const looking = look(bed, ledger, () => over);
    await delay(context.size(7_000, 60_000));
    await bed.redis.start();
    await startsWithin(bed, context, 10);
    over = true;
    await Promise.all([busy, steady, looking]);
    await ledger.audit(context.promised(60));
    assertAnswers(ledger);
    assert.deepEqual(pidsOf(bed), before, "a process ended");
    await untilAllReady(bed, context.promised(10));
  },
};

/** A submit from now on is started in time. */
export async function startsWithin(bed: Bed, context: CaseContext, seconds: number): Promise<void> {
  const mark = (await bed.trail?.mark()) ?? 0;
  const at = performance.now();
  await eventually(
    "work starts again",
    async () => ((await bed.trail?.since(mark))?.some(({ to }) => to === "running") ? true : null),
    { withinMs: context.promised(seconds), everyMs: 100 },
  );
  context.say(`work started ${((performance.now() - at) / 1_000).toFixed(1)} s after its return`);
}

/** What was asked while Redis was away was answered as ever. */
export function assertAnswers(ledger: Ledger): void {
  for (const { status, ms, path } of ledger.tries) {
    assert(status === 200 || status === 202, `${path} was answered ${status}`);
    assert(ms < longestAnswerMs, `${path} took ${ms.toFixed(0)} ms`);
  }
}

/** Reads what can be read besides single statuses, which the ledger reads all the time. */
async function look(bed: Bed, { caller }: Ledger, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    for (const path of ["/executions?limit=5", "/engines", "/engines/status", "/engines/metrics"]) {
      await caller.ask(path);
    }
    await delay(200);
  }
}
