import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { openQueue } from "@tl-engine/shared/queue/open-queue.ts";
import type { DeliveryItem, Queue } from "@tl-engine/shared/queue/queue.ts";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "O1",
  promise:
    "the same delivery 2 to 10 times, for 1,000 executions as they wait, run and have ended, and for scheduled, limited, canceled and expired ones: one result each, one end, one effect",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const queue = openQueue({
      redisUrl: bed.backend === "redis" ? bed.redis.url : null,
      databaseUrl: bed.postgres.url,
      lockMs: bed.leaseSeconds * 1_000,
      consumed: 0,
      onError: () => undefined,
    });
    try {
      await eventually("the queue's connection is open", async () => {
        await queue.depth("count", 1);
        return true;
      });
      await whatRuns(context, bed, queue);
      await whatMayNotRun(context, bed, queue);
    } finally {
      await queue.close();
    }
  },
};

/** Delivers an execution several times, in jobs of their own and in lists, under these dispatches. */
async function deliver(
  { between }: CaseContext,
  queue: Queue,
  engineId: string,
  id: string,
  dispatches: readonly number[],
): Promise<void> {
  const items = Array.from({ length: between(2, 10) }, (): DeliveryItem => {
    return [id, dispatches[between(0, dispatches.length - 1)] as number];
  });
  const priority = "normal";
  await queue.enqueue([{ engineId, version: 1, priority, items, perJob: between(1, 4) }]);
}

function taken(queue: Queue, engineId: string): Promise<true> {
  return eventually(
    `the workers have taken what was delivered of ${engineId}`,
    async () => ((await queue.depth(engineId, 1)) === 0 ? true : null),
    { withinMs: 60_000 },
  );
}

async function whatRuns(context: CaseContext, bed: Bed, queue: Queue): Promise<void> {
  const ledger = await context.openLedger(bed, ["count"]);
  const count = context.size(100, 1_000);
  const doubled = new Set<string>();
  const deliveries: Promise<void>[] = [];
  // As they come: what is new waits or runs, what is older has ended.
  const again = setInterval(() => {
    for (const id of ledger.accepted.values()) {
      if (doubled.has(id)) continue;
      doubled.add(id);
      deliveries.push(deliver(context, queue, "count", id, [0, 0, 1]));
    }
  }, 20);
  /** What is held is answered a while after it came: its place is needed by those behind it. */
  const answering = setInterval(() => {
    const now = performance.now();
    for (const { executionId, at } of bed.sink.effects) {
      if (now - at > 300) bed.sink.release(executionId);
    }
  }, 50);
  try {
    await ledger.load({
      engine: "count",
      input: (n) => ({ sink: bed.sink.url, hold: n % 3 === 0 }),
      count,
      parallel: 8,
    });
    // The last ones are held until they, too, were delivered again while they run.
    await eventually("all were delivered again", () => (doubled.size === count ? true : null));
  } finally {
    clearInterval(again);
    clearInterval(answering);
  }
  for (const id of ledger.accepted.values()) bed.sink.release(id);
  await Promise.all(deliveries);
  await taken(queue, "count");
  await ledger.audit(context.promised(30));
  // And once more, all of them, now that they have ended.
  for (const id of ledger.accepted.values()) await deliver(context, queue, "count", id, [0, 1, 2]);
  await taken(queue, "count");
  const { executions, moves } = await ledger.audit(context.promised(30));
  for (const { execution_id: id, attempts } of executions.values()) {
    assert.equal(bed.sink.effectsOf(id).length, 1, `${id} had more effects than one`);
    assert.deepEqual(
      attempts?.map(({ outcome, late_result: late }) => [outcome, late]),
      [["succeeded", null]],
    );
  }
  context.say(`${doubled.size} executions delivered again, ${moves.length} moves in all`);
}

async function whatMayNotRun(context: CaseContext, bed: Bed, queue: Queue): Promise<void> {
  const client = bed.client();
  const { sink } = bed;
  const input = { sink: sink.url };

  const scheduled = await client.execute("sleep", { ms: 1 }, { delay: "2s" });
  const canceled = await client.execute("sleep", { ms: 1 }, { delay: "1h" });
  await client.cancel(canceled.execution_id);
  // One holds the only place; one waits for it, one waits until its time is over.
  const first = await client.execute("count.single", { ...input, hold: true });
  await sink.arrived(first.execution_id);
  const second = await client.execute("count.single", input);
  const expired = await client.execute("count.single", input, { ttl: "1s" });
  for (let turn = 0; turn < 5; turn++) {
    for (const { execution_id: id } of [scheduled, canceled])
      await deliver(context, queue, "sleep", id, [0, 1]);
    for (const { execution_id: id } of [first, second, expired])
      await deliver(context, queue, "count.single", id, [0, 1]);
    await delay(100);
  }
  const expiredEnd = await client.wait(expired.execution_id);
  assert.equal(expiredEnd.status, "expired");
  await deliver(context, queue, "count.single", expired.execution_id, [0, 1]);
  await taken(queue, "count.single");
  assert.equal(sink.effectsOf(second.execution_id).length, 0, "two ran at once under a ceiling");
  sink.release(first.execution_id);

  const ends = await Promise.all(
    [scheduled, canceled, first, second, expired].map(({ execution_id: id }) =>
      client.wait(id, { include: ["attempts"] }),
    ),
  );
  await taken(queue, "sleep");
  await taken(queue, "count.single");
  assert.deepEqual(
    ends.map(({ status, attempts }) => [status, attempts?.length]),
    [
      ["succeeded", 1],
      ["canceled", 0],
      ["succeeded", 1],
      ["succeeded", 1],
      ["expired", 0],
    ],
  );
  const [ran] = ends;
  assert(
    Date.parse(ran?.started_at ?? "") >= Date.parse(ran?.run_at ?? ""),
    "a scheduled one started before its time",
  );
  assert.equal(sink.effectsOf(expired.execution_id).length, 0);
  assert.equal(sink.effectsOf(second.execution_id).length, 1);
}
