import { sweepLeftBehind } from "../../../test/left-behind.ts";

// Lives as long as the channel to the runner does, and then ends what that one has left behind.
process.once("disconnect", () => {
  // The last sign of life: it takes a moment until nobody sees the runner's process id any more.
  setTimeout(() => {
    sweepLeftBehind();
    process.exit(0);
  }, 200);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
