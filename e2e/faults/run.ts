// The fault bed: `npm run test:faults`, and `-- --help` for its options.
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { redisRemedy } from "../../test/redis-server.ts";
import { sweepLeftBehind } from "../../test/left-behind.ts";
import type { Backend } from "./backend.ts";
import type { FaultCase } from "./case.ts";
import { createBeds } from "./runner/beds.ts";
import { findCases } from "./runner/find-cases.ts";
import { oneAtATime } from "./runner/one-at-a-time.ts";
import { readOptions, UsageError, type RunOptions } from "./runner/options.ts";
import { runCase, type Outcome } from "./runner/run-case.ts";
import { startReaper } from "./runner/reaper.ts";
import { tableOf, tallyOf } from "./runner/table.ts";

const leaseSeconds = { short: 2, whole: 15 };
const say = (text: string): void => console.log(text);

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const cases = choose(await findCases(join(import.meta.dirname, "cases")), options);
  if (options.list) {
    for (const one of cases) {
      say(`${one.id.padEnd(4)} ${one.backends.join(" and ")}, ${shortness(one)}: ${one.promise}`);
    }
    return 0;
  }
  await oneAtATime(say);
  sweepLeftBehind();
  const seed = options.seed ?? randomInt(2 ** 32);
  const form = options.short ? "short" : "whole";
  const beds = createBeds({ keep: options.short, leaseSeconds: leaseSeconds[form] });
  startReaper();
  // The servers outlive a signal to us; a second signal does not wait.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => void beds.close().finally(() => process.exit(130)));
  }
  say(`faults: ${form} form, lease ${leaseSeconds[form]} s, seed ${seed}`);

  const hasRedis = spawnSync("redis-server", ["--version"]).error === undefined;
  const outcomes: Outcome[] = [];
  try {
    for (const backend of options.backends) {
      for (const one of cases) {
        if (!one.backends.includes(backend)) continue;
        if (options.only === null && options.short && !isShortOn(one, backend)) continue;
        const missing = backend === "redis" && !hasRedis ? redisRemedy : (one.missing?.() ?? null);
        outcomes.push(
          missing !== null
            ? without(missing, one, backend)
            : await runCase(one, backend, {
                beds,
                seed,
                short: options.short,
                minutes: options.minutes,
                leaseSeconds: leaseSeconds[form],
                say,
              }),
        );
      }
    }
  } finally {
    await beds.close();
  }
  say(`\n${tableOf(outcomes)}\n`);
  const failed = outcomes.filter(({ verdict }) => verdict === "failed");
  for (const { id, backend } of failed) {
    const flags = `--only ${id} --backend ${backend} --seed ${seed}${options.short ? " --short" : ""}`;
    say(`again: npm run test:faults -- ${flags}`);
  }
  say(tallyOf(outcomes));
  return failed.length === 0 ? 0 : 1;
}

function shortness({ short }: FaultCase): string {
  if (typeof short !== "boolean") return `short on ${short.join(" and ")}`;
  return short ? "short" : "not short";
}

function isShortOn({ short }: FaultCase, backend: Backend): boolean {
  return typeof short === "boolean" ? short : short.includes(backend);
}

/** Where the result counts, a skipped half would look like a pass. */
function without(why: string, { id }: FaultCase, backend: Backend): Outcome {
  const verdict = process.env["CI"] === "true" ? "failed" : "skipped";
  say(`\n${id} on ${backend}: ${verdict}: ${why}`);
  return { id, backend, verdict, figures: null, seconds: 0, why };
}

/** @throws UsageError where `--only` names what there is not */
function choose(all: readonly FaultCase[], { only, short }: RunOptions): FaultCase[] {
  if (only === null) return all.filter((one) => one.short !== false || !short);
  const ids = new Map(all.map((one) => [one.id.toUpperCase(), one]));
  return only.map((id) => {
    const one = ids.get(id);
    if (one !== undefined) return one;
    throw new UsageError(`There is no case ${id}; there are ${[...ids.keys()].join(", ")}.`);
  });
}

// What a failed case left under way fails later, when its bed is gone: that is no news.
process.on("unhandledRejection", () => undefined);
try {
  process.exit(await main());
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? error.message : error);
  process.exit(isUsage ? 2 : 1);
}
