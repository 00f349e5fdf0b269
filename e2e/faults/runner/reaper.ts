import { fork } from "node:child_process";
import { join } from "node:path";

/**
 * A process that outlives ours by a moment: where we are killed before we could clean up, it ends what we started, also
 * what is frozen and cannot see that we are gone.
 */
export function startReaper(): { close(): void } {
  const child = fork(join(import.meta.dirname, "reaper-main.ts"), {
    detached: true,
    stdio: "ignore",
  });
  child.unref();
  child.channel?.unref();
  return {
    close() {
      child.kill("SIGKILL");
    },
  };
}
