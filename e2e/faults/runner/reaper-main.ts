import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "@tl-engine/local/postmaster-file.ts";
import { sweepLeftBehind } from "../../../test/left-behind.ts";

// Lives as long as the channel to the runner does, and then ends what that one has left behind.
const runner = process.ppid;
process.once("disconnect", () => {
  void (async () => {
    // It counts as the owner of what it started until it is gone altogether.
    while (isAlive(runner)) await delay(50);
    sweepLeftBehind();
    // Servers write into their folders on their way down.
    await delay(3_000);
    sweepLeftBehind();
    process.exit(0);
  })();
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
