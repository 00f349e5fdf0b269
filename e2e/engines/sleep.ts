import { setTimeout as delay } from "node:timers/promises";
import { defineEngine, z } from "@tl-engine/engine-kit";

/** Waits, and heeds its signal. */
export default defineEngine({
  id: "sleep",
  version: 1,
  // Timers take no more than 2³¹ − 1 ms.
  input: z.object({ ms: z.int().min(0).max(2_147_483_647) }),
  output: z.object({ attempt: z.int() }),
  backoff: { initial: "20ms" },
  async run({ ms }, ctx) {
    await delay(ms, undefined, { signal: ctx.signal });
    return { attempt: ctx.attempt };
  },
});
