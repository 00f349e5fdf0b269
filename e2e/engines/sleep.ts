import { setTimeout as delay } from "node:timers/promises";
import { defineEngine, z } from "@tl-engine/engine-kit";

/** Waits, and heeds its signal. */
export default defineEngine({
  id: "sleep",
  version: 1,
  input: z.object({ ms: z.int().min(0) }),
  output: z.object({ attempt: z.int() }),
  backoff: { initial: "20ms" },
  async run({ ms }, ctx) {
    await delay(ms, undefined, { signal: ctx.signal });
    return { attempt: ctx.attempt };
  },
});
