import { defineEngine, z } from "@tl-engine/engine-kit";

/** Fails in its first attempts. */
export default defineEngine({
  id: "flaky",
  version: 1,
  input: z.object({ failures: z.int().min(0) }),
  output: z.object({ attempt: z.int() }),
  maxAttempts: { default: 5, max: 5 },
  backoff: { initial: "40ms", factor: 2 },
  run({ failures }, ctx) {
    if (ctx.attempt <= failures) throw new Error(`failure ${ctx.attempt} of ${failures}`);
    return { attempt: ctx.attempt };
  },
});
