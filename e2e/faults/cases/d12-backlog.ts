import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { request } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";
import type { FaultCase } from "../case.ts";

const mib = 2 ** 20;
/** What may be in the queue of one engine version: the window, and what two APIs record between two looks. */
const mostAhead = 1_500;

export const faultCase: FaultCase = {
  id: "D12",
  promise:
    "a backlog of 50,000, besides 500,000 of another engine: p99 of submits < 250 ms, each process < 512 MiB, and it drains",
  backends: ["redis", "postgres"],
  short: false,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep"], trail: false, alone: true });
    const ledger = await context.openLedger(bed, ["sleep"], { watch: false });
    // The backlog has nobody who works it off until it is whole.
    await Promise.all(bed.livingWorkers().map((worker) => worker.stop()));
    const besides = context.size(0, 500_000);
    if (besides > 0) await seedBacklog(bed, besides);
    const watch = watchProcesses(bed);

    const count = context.size(5_000, 50_000);
    const options = (n: number) => ({
      priority: n % 10 === 0 ? "high" : n % 10 === 1 ? "low" : "normal",
    });
    const load = { engine: "sleep", input: () => ({ ms: 0 }), options };
    await ledger.load({ ...load, count, parallel: 16 });
    const slowest = p99(ledger.submits().map(({ ms }) => ms));
    const built = await counts(bed);
    context.say(`a backlog of ${built.waiting}; p99 of its submits ${slowest.toFixed(0)} ms`);
    assert(built.waiting >= count, "the backlog is there");
    assert(built.ready <= mostAhead, `${built.ready} are in the queue`);

    await bed.complete();
    const before = ledger.submits().length;
    let drains = true;
    const beside = ledger.load({ ...load, goOn: () => drains, parallel: 2, paceMs: 50 });
    for (let most = 0; ;) {
      const { waiting, ready } = await counts(bed);
      most = Math.max(most, ready);
      assert(ready <= mostAhead, `${ready} are in the queue`);
      if (waiting < 100) {
        context.say(`never more than ${most} in the queue`);
        break;
      }
      await delay(250);
    }
    drains = false;
    await beside;
    const meanwhile = p99(
      ledger
        .submits()
        .slice(before)
        .map(({ ms }) => ms),
    );
    const largest = await watch.stop();
    context.say(`p99 of submits while it drained ${meanwhile.toFixed(0)} ms`);
    context.say(`largest process ${largest.name}: ${(largest.bytes / mib).toFixed(0)} MiB`);
    await ledger.audit(context.size(60_000, 300_000));
    ledger.assertNoRefusals();
    assert(slowest < 250, `p99 of a submit while the backlog grew: ${slowest} ms`);
    assert(meanwhile < 250, `p99 of a submit while it drained: ${meanwhile} ms`);
    assert(largest.bytes < 512 * mib, `${largest.name} takes ${largest.bytes / mib} MiB`);
  },
};

/** Of the engine `sleep`: what waits in all, and what of it is in the queue. */
async function counts(bed: Bed): Promise<{ waiting: number; ready: number }> {
  const [row] = await bed.query<{ waiting: number; ready: number }>(
    `SELECT coalesce(sum(queued), 0)::int AS waiting, coalesce(sum(ready), 0)::int AS ready
     FROM engine_counters WHERE engine_id = 'sleep'`,
  );
  assert(row !== undefined);
  return row;
}

/** Executions of `echo`, which wait behind everything else and are not looked at again. */
async function seedBacklog(bed: Bed, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 50_000) {
    await bed.query(
      `INSERT INTO executions (id, caller_id, engine_id, version, status, priority, max_attempts, timeout_ms, wait_reason,
         waiting_since, expires_at, deadline_at, input)
       SELECT uuidv7(), 'key:seeded' || g % 10, 'echo', 1, 'queued', 3, 1, 60000, 'dispatch_pending', now(),
         now() + interval '1 day', now() + interval '1 day', '{}' FROM generate_series(1, $1::int) AS g`,
      [Math.min(left, 50_000)],
    );
  }
}

/** Looks at the memory of all living processes each second. */
function watchProcesses(bed: Bed): { stop(): Promise<{ name: string; bytes: number }> } {
  let largest = { name: "none", bytes: 0 };
  let watching = true;
  const watcher = (async () => {
    while (watching) {
      for (const { name, metricsUrl } of [...bed.livingApis(), ...bed.livingWorkers()]) {
        const text = await request(`${metricsUrl}/metrics`).then(
          (answer) => answer.text,
          () => "",
        );
        const line = /^tl_process_resident_memory_bytes\{.*\} (\S+)$/m.exec(text);
        const bytes = Number(line?.[1] ?? 0);
        if (bytes > largest.bytes) largest = { name, bytes };
      }
      await delay(1_000);
    }
  })();
  return {
    async stop() {
      watching = false;
      await watcher;
      assert(largest.bytes > 0, "no process told its memory");
      return largest;
    },
  };
}

function p99(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY;
}
