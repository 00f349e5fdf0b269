import { fork } from "node:child_process";
import { join } from "node:path";

/**
 * A process that outlives ours by a moment, and ends what we started and have not ended: where we were killed before we
 * could, also what is frozen and cannot see that we are gone.
 */
export function startReaper(): void {
  const child = fork(join(import.meta.dirname, "reaper-main.ts"), {
    detached: true,
    stdio: "ignore",
  });
  child.unref();
  child.channel?.unref();
}
