import { writeFileSync } from "node:fs";

/** From 0 to 1000; the worker and its neighbours have 0. */
const score = "500";

/**
 * Where the whole machine or container runs out of memory, Linux ends this process before the worker and all that runs
 * there. Elsewhere nothing happens.
 */
export function offerToOutOfMemoryKiller(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", score);
  } catch {
    // No Linux, or it may not be changed here.
  }
}
