import { setTimeout as delay } from "node:timers/promises";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import type { FaultContext } from "../faults/fault.ts";
import { drawStep, engines } from "../random-run/programs.ts";
import { runSchedule } from "../random-run/schedule.ts";
import { watchProgress } from "../random-run/watch-progress.ts";
import { between, createRandom } from "../runner/random.ts";

/** How many programs submit side by side. */
const programs = 6;

export const faultCase: FaultCase = {
  id: "D14",
  promise:
    "a seeded random run of 300 s: programs with mixed engines, cancels, duplicates, delays and timeouts, a fault each 15 s, compared with a model of what must come out, exactly; no progress for 60 s is a failure",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"], network: true });
    const ledger = await context.openLedger(bed, engines, { refusalsExpected: true });
    const lastsMs =
      context.minutes === null ? context.size(20_000, 300_000) : context.minutes * 60_000;
    // Numbers of their own, so that what is drawn does not hang on who draws first.
    const drawFor = (what: string): FaultContext => {
      const random = createRandom(context.seed, `D14 ${context.backend} ${what}`);
      return { random, between: (from, to) => between(random, from, to) };
    };
    const progress = watchProgress(bed, 60_000);
    const endsAt = performance.now() + lastsMs;
    const program = async (name: string): Promise<void> => {
      const draw = drawFor(name);
      const cancels: Promise<unknown>[] = [];
      while (performance.now() < endsAt) {
        const { order, copies, cancelAfterMs, restMs } = drawStep(draw, bed.sink.url);
        const id = await ledger.submit(order, copies);
        if (cancelAfterMs !== null) {
          cancels.push(delay(cancelAfterMs).then(() => ledger.caller.cancel(id)));
        }
        await delay(restMs);
      }
      await Promise.all(cancels);
    };
    const everything = async (): Promise<void> => {
      await Promise.all([
        ...Array.from({ length: programs }, (_, n) => program(`program ${n}`)),
        runSchedule(bed, drawFor("faults"), {
          everyMs: context.size(5_000, 15_000),
          forMs: lastsMs,
          shortestMs: 1_000,
          longestMs: context.size(3_000, 10_000),
          say: context.say,
        }),
      ]);
      await bed.complete();
      const replayed =
        ledger.submits().filter(({ status }) => status === 200 || status === 202).length -
        ledger.accepted.size;
      const { moves } = await ledger.audit(context.promised(120));
      const losses = moves.filter(({ from, to }) => from === "running" && to === "queued").length;
      context.say(
        `${replayed} duplicates sent, ${losses} times something running was taken or given back`,
      );
    };
    try {
      await Promise.race([everything(), progress.stuck]);
    } finally {
      progress.stop();
    }
  },
};
