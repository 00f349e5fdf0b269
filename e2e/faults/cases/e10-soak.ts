import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { strangeErrors, strangeResults } from "../../engines/strange.ts";
import type { Bed } from "../bed/bed.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import { hosts } from "../misbehaving/bed.ts";
import { growthOf } from "../misbehaving/growth.ts";
import { readIdle, type IdleFigures } from "../misbehaving/idle-figures.ts";

/** Hosts that rest are ended after 60 s. */
const restMs = 66_000;
const loadMs = 75_000;

/** Both may take a minute: on a busy machine a shorter time would be up before they had a core. */
const wellBehaved = ["sleep", "count"];
const leaks = ["leak", "leak.process", "leak.buffers"];
const stubborn = ["stubborn", "stubborn.thread", "stubborn.process"];
const everywhere = (id: string): string[] => hosts.map((host) => `${id}.${host}`);

export const faultCase: FaultCase = {
  id: "E10",
  promise:
    "engines that misbehave in every way, over all kinds of hosts, for an hour (--minutes): when all rests, each worker has the threads, processes, files, slots and memory that it had after the first minutes",
  backends: ["redis"],
  short: false,
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep", "count", "stubborn", "spin", "exit", "leak", "strange"],
      // An endless loop takes a core until its grace period is over; the two that there are have to do for all.
      env: { TL_GRACE_SECONDS: "1" },
      // Nothing of the bed's own grows with what was done.
      trail: false,
      alone: true,
    });
    const workers = bed.livingWorkers();
    const until = performance.now() + (context.minutes ?? context.size(4, 60)) * 60_000;
    /** Of each worker, round by round. */
    const seen = workers.map((): IdleFigures[] => []);
    let rounds = 0;
    while (rounds < 3 || performance.now() + loadMs + restMs < until) {
      const ended = await misbehave(context, bed);
      await delay(restMs);
      const now = await Promise.all(workers.map((worker) => readIdle(bed, worker)));
      context.say(
        `round ${rounds}: ${ended} ended; each worker: ${now.map(sentenceOf).join("; ")}`,
      );
      for (const [n, figures] of now.entries()) {
        seen[n]?.push(figures);
        compare(workers[n]?.name ?? "", figures, seen[n]?.[0]);
      }
      bed.sink.forget();
      rounds++;
    }
    for (const [n, figures] of seen.entries()) compareMemory(workers[n]?.name ?? "", figures);
    assert.deepEqual(
      workers.map(({ ended }) => ended),
      workers.map(() => null),
      "a worker has ended",
    );
  },
};

/** Some minutes of all at once, until all of it has ended as it has to. @returns how many there were */
async function misbehave(context: CaseContext, bed: Bed): Promise<number> {
  const until = performance.now() + loadMs;
  const goOn = (): boolean => performance.now() < until;
  const engines = [
    ...wellBehaved,
    ...leaks,
    ...stubborn,
    ...["spin", "exit", "strange"].flatMap(everywhere),
  ];
  const ledger = await context.openLedger(bed, engines);
  const lane = (engine: string, input: (n: number) => unknown, paceMs: number): Promise<void> =>
    ledger.load({ engine, input, goOn, parallel: 1, paceMs });
  const sink = bed.sink.url;
  await Promise.all([
    lane("sleep", (n) => ({ ms: (n * 37) % 500 }), 60),
    lane("count", () => ({ sink }), 100),
    ...leaks.map((engine) => lane(engine, () => ({}), 10_000)),
    ...stubborn.map((engine) => lane(engine, () => ({ sink }), 8_000)),
    lane("spin.inline", () => ({ ms: 60_000 }), 45_000),
    lane("spin.thread", () => ({ ms: 60_000 }), 12_000),
    lane("spin.process", () => ({ ms: 60_000 }), 12_000),
    ...everywhere("exit").map((engine) => {
      const ways = [
        "exit",
        "throw",
        "reject",
        ...(engine.endsWith("process") ? ["abort", "segv"] : []),
      ];
      return lane(engine, (n) => ({ how: ways[n % ways.length], attempts: n % 3 }), 3_000);
    }),
    ...everywhere("strange").map((engine) =>
      lane(
        engine,
        (n) =>
          n % 2 === 0
            ? { returns: strangeResults[n % strangeResults.length] }
            : { throws: strangeErrors[n % strangeErrors.length] },
        400,
      ),
    ),
  ]);
  return (await ledger.audit(180_000)).figures.ended;
}

function sentenceOf({ threads, files, rssMib, heapMib }: IdleFigures): string {
  return `${threads} threads, ${files} files, ${rssMib.toFixed()} MiB (heap ${heapMib.toFixed()})`;
}

/** What has no place in a worker that rests, or has grown since the first round. */
function compare(name: string, now: IdleFigures, first: IdleFigures | undefined): void {
  assert(first !== undefined);
  assert.deepEqual(now.hosts, { inline: 1, thread: 0, process: 0, alone: 0 }, `hosts of ${name}`);
  assert.equal(now.children, 0, `${name} has left processes behind`);
  assert.equal(now.slotsTaken, 0, `${name} has lost slots`);
  assert.equal(now.slots, first.slots, `${name} offers other slots`);
  assert.equal(now.running, 0, "something counts as running");
  // A thread of Node's pool, a connection of a pool of ours may come later; what leaks comes with each round.
  assert(
    now.threads <= first.threads + 2,
    `${name} had ${first.threads} threads, and has ${now.threads}`,
  );
  assert(now.files <= first.files + 8, `${name} had ${first.files} files, and has ${now.files}`);
}

/**
 * What a thread's full heap leaves to the allocator comes and goes by 100 MiB and more from round to round, so resident
 * memory says something over many rounds only.
 */
function compareMemory(name: string, figures: readonly IdleFigures[]): void {
  const heap = growthOf(figures.map(({ heapMib }) => heapMib));
  assert(heap <= 16, `the heap of ${name} has grown by ${heap.toFixed()} MiB`);
  if (figures.length < 6) return;
  const rss = growthOf(figures.map(({ rssMib }) => rssMib));
  assert(rss <= 96, `the memory of ${name} has grown by ${rss.toFixed()} MiB`);
}
