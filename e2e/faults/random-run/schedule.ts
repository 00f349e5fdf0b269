import { setTimeout as delay } from "node:timers/promises";
import type { Bed } from "../bed/bed.ts";
import type { Fault, FaultContext } from "../faults/fault.ts";
import { blackHoleTo, cutTo, slowTo } from "../faults/network.ts";
import { postgresAway, sessionsCut } from "../faults/postgres.ts";
import {
  allKilled,
  allWorkersKilled,
  apiFrozen,
  apiKilled,
  workerFrozen,
  workerKilled,
  workerToldToGo,
} from "../faults/processes.ts";
import { redisAway, redisFlushed, redisFrozen, redisFull } from "../faults/redis.ts";

const faults: readonly Fault[] = [
  workerKilled,
  apiKilled,
  allWorkersKilled,
  allKilled,
  workerFrozen,
  apiFrozen,
  workerToldToGo,
  redisFlushed,
  redisAway,
  redisFrozen,
  redisFull,
  postgresAway,
  sessionsCut,
  slowTo("postgres"),
  slowTo("redis"),
  blackHoleTo("postgres"),
  blackHoleTo("redis"),
  cutTo("postgres"),
  cutTo("redis"),
];

export interface ScheduleOptions {
  everyMs: number;
  /** No new one begins after this time. */
  forMs: number;
  /** How long one lasts that lasts. */
  shortestMs: number;
  longestMs: number;
  say(text: string): void;
}

/** Strikes a bed with one fault after the other, in a drawn order in which each kind comes before any comes again. */
export async function runSchedule(
  bed: Bed,
  context: FaultContext,
  options: ScheduleOptions,
): Promise<void> {
  const { everyMs, forMs, shortestMs, longestMs, say } = options;
  const possible = faults.filter(({ backends }) => backends.includes(bed.backend));
  let bag: Fault[] = [];
  const startedAt = performance.now();
  const passed = (): number => performance.now() - startedAt;
  for (let n = 1; ; n++) {
    const rest = n * everyMs - passed();
    if (rest > 0) await delay(rest);
    if (passed() > forMs) return;
    if (bag.length === 0) bag = [...possible];
    const [fault] = bag.splice(context.between(0, bag.length - 1), 1);
    if (fault === undefined) throw new Error("There is no fault for this bed");
    const lastsMs = context.between(shortestMs, longestMs);
    say(
      `+${(passed() / 1_000).toFixed(1)} s: ${fault.name}, up to ${(lastsMs / 1_000).toFixed(1)} s`,
    );
    await fault.strike(bed, context, lastsMs);
  }
}
