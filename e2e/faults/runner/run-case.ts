import { inspect } from "node:util";
import type { Backend } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import { addUp, sayFigures, type Figures } from "../ledger/figures.ts";
import { openLedger, type Ledger } from "../ledger/ledger.ts";
import { describeUnfinished } from "../ledger/unfinished.ts";
import type { Beds } from "./beds.ts";
import { checkExits } from "./exits.ts";
import { between, createRandom } from "./random.ts";

export interface Outcome {
  id: string;
  backend: Backend;
  verdict: "passed" | "failed" | "skipped";
  figures: Figures | null;
  seconds: number;
  /** Why it was skipped, or how it failed in one line. */
  why: string | null;
}

export interface RunCaseOptions {
  beds: Beds;
  seed: number;
  short: boolean;
  minutes: number | null;
  leaseSeconds: number;
  say(text: string): void;
}

/** No case takes longer, however long it was asked to take on top, ms. */
const longestMs = { short: 180_000, whole: 2_400_000 };
/** What the fixed part of a promised time is in the short form, ms. */
const fixedMs = 4_000;

/** Runs one case on one backend, prints what came of it, and takes down what it started. Never throws. */
export async function runCase(
  one: FaultCase,
  backend: Backend,
  { beds, seed, short, minutes, leaseSeconds, say }: RunCaseOptions,
): Promise<Outcome> {
  const random = createRandom(seed, `${one.id} ${backend}`);
  const ledgers: Ledger[] = [];
  const context: CaseContext = {
    backend,
    seed,
    short,
    minutes,
    random,
    between: (from, to) => between(random, from, to),
    size: (ofShort, ofWhole) => (short ? ofShort : ofWhole),
    promised: (seconds) => (seconds * 1_000 * leaseSeconds) / 15 + (short ? fixedMs : 0),
    say: (text) => say(`    ${text}`),
    startBed: (options) => beds.take(backend, options),
    async openLedger(bed, engines, options) {
      const ledger = await openLedger(bed, engines, options);
      ledgers.push(ledger);
      return ledger;
    },
  };
  say(`\n${one.id} on ${backend}: ${one.promise}`);
  const startedAt = performance.now();
  const limitMs = short ? longestMs.short : longestMs.whole;
  let failure: Error | null = null;
  const strays: unknown[] = [];
  const hearStray = (stray: unknown): void => void strays.push(stray);
  process.on("unhandledRejection", hearStray);
  try {
    await inTime(one.run(context), limitMs + (minutes ?? 0) * 60_000);
    for (const bed of beds.taken) await checkExits(bed, context.promised(60));
    if (strays.length > 0)
      throw new Error("a promise failed where nobody looked", { cause: strays[0] });
  } catch (error) {
    failure = error instanceof Error ? error : new Error(inspect(error));
  }
  process.off("unhandledRejection", hearStray);
  const seconds = (performance.now() - startedAt) / 1_000;
  const figures = addUp(ledgers.flatMap((ledger) => ledger.figures() ?? []));
  const verdict = failure === null ? "passed" : "failed";
  const said = figures === null ? "no ledger" : sayFigures(figures);
  say(
    `  ${one.id} ${backend} seed ${seed}: ${said}, ${seconds.toFixed(1)} s: ${verdict.toUpperCase()}`,
  );
  if (failure !== null) {
    say(inspect(failure));
    for (const bed of beds.taken) {
      say(`  unfinished:\n${await describeUnfinished(bed)}\n${bed.deployment.lastWords(3_000)}`);
    }
  }
  for (const { caller } of ledgers) caller.abandon();
  await Promise.allSettled(ledgers.map((ledger) => ledger.close()));
  await beds.giveBack(failure === null).catch((error: unknown) => {
    failure ??= new Error("its bed cannot be taken down", { cause: error });
    say(inspect(failure));
  });
  const why = failure === null ? null : (failure.message.split("\n")[0] ?? "");
  return {
    id: one.id,
    backend,
    verdict: why === null ? "passed" : "failed",
    figures,
    seconds,
    why,
  };
}

/** What hangs fails, with what there is to see, and does not take the rest of the run along. */
async function inTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it was not over within ${ms / 1_000} s`)), ms);
  });
  // It is told no more what becomes of it.
  work.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
