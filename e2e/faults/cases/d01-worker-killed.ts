import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Worker } from "../../support/deployment.ts";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import { oneOf } from "../faults/fault.ts";

export const faultCase: FaultCase = {
  id: "D1",
  promise:
    "kill -9 of any worker, 6 times, one each 5 s, during 1,000 executions: all end, none twice, the interrupted ones within 30 s of the kill",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["count"]);
    const kills = context.size(3, 6);
    const everyMs = context.size(1_500, 5_000);
    const count = context.size(200, 1_000);
    // Spread over the kills: what each kill hits is running.
    const lanes = 8;
    const paceMs = ((kills + 0.5) * everyMs * lanes) / count;
    let over = false;
    const load = ledger.load({
      engine: "count",
      input: () => ({ sink: bed.sink.url, hold: true }),
      goOn: () => !over || ledger.orders.size < count,
      parallel: lanes,
      paceMs,
    });
    /** Each call is answered a while after it came, so that there is something to interrupt. */
    const answering = setInterval(() => {
      const now = performance.now();
      for (const { executionId, at } of bed.sink.effects) {
        if (now - at > 500) bed.sink.release(executionId);
      }
    }, 50);
    const killed = new Map<string, number>();
    try {
      for (let n = 0; n < kills; n++) {
        await delay(everyMs * (0.5 + context.random()));
        const victim = await eventually(
          "a worker runs something",
          () => oneThatRuns(bed, context),
          {
            withinMs: 30_000,
          },
        );
        killed.set(await victim.ready(), Date.now());
        await victim.kill();
        await bed.complete();
      }
      over = true;
      await load;
      const { executions } = await ledger.audit(context.promised(30));
      ledger.assertNoRefusals();
      // Each that a kill interrupted has ended in time.
      let interrupted = 0;
      for (const { attempts, finished_at, execution_id } of executions.values()) {
        // Where two kills hit it, the last one counts.
        const lastKill = attempts
          ?.filter(({ outcome }) => outcome === "worker_lost")
          .flatMap(({ worker_id: worker }) => killed.get(worker ?? "") ?? [])
          .at(-1);
        if (lastKill === undefined) continue;
        interrupted++;
        const ms = Date.parse(finished_at ?? "") - lastKill;
        assert(
          ms < context.promised(30),
          `${execution_id} ended ${ms} ms after its worker was killed: ${JSON.stringify(attempts)}`,
        );
      }
      context.say(`${killed.size} kills, ${interrupted} executions interrupted`);
      assert(interrupted > 0, "no kill interrupted anything");
    } finally {
      over = true;
      clearInterval(answering);
    }
  },
};

async function oneThatRuns(bed: Bed, context: CaseContext): Promise<Worker | null> {
  const rows = await bed.query<{ id: string }>(
    "SELECT DISTINCT worker_id AS id FROM executions WHERE status = 'running' ORDER BY 1",
  );
  const running: Worker[] = [];
  for (const worker of bed.livingWorkers()) {
    const its = await worker.ready();
    if (rows.some(({ id }) => id === its)) running.push(worker);
  }
  return running.length === 0 ? null : oneOf(context, running, "worker");
}
