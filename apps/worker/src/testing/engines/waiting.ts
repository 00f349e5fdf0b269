import { setTimeout as sleep } from "node:timers/promises";
import { defineEngine, z } from "@tl-engine/engine-kit";

/** Waits, and honours its signal. */
const sleeper = defineEngine({
  id: "test.sleep",
  version: 1,
  timeout: { default: "10s", max: "1h" },
  input: z.strictObject({ ms: z.number() }),
  output: z.strictObject({ slept: z.number(), attempt: z.number() }),
  async run({ ms }, ctx) {
    ctx.progress(0.5, "asleep");
    await sleep(ms, undefined, { signal: ctx.signal });
    return { slept: ms, attempt: ctx.attempt };
  },
});

/** Waits, whatever its signal says. */
const deaf = defineEngine({
  id: "test.deaf",
  version: 1,
  timeout: { default: "200ms", max: "1h" },
  backoff: { initial: "1ms", max: "10ms" },
  maxAttempts: 2,
  input: z.strictObject({ ms: z.number() }),
  output: z.strictObject({ slept: z.number() }),
  async run({ ms }) {
    await sleep(ms);
    return { slept: ms };
  },
});

/** Waits for its signal and then returns as if nothing had happened. */
const polite = defineEngine({
  id: "test.polite",
  version: 1,
  timeout: { default: "200ms", max: "1h" },
  input: z.strictObject({}),
  output: z.strictObject({ reason: z.string() }),
  async run(_, ctx) {
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    return { reason: (ctx.signal.reason as Error).name };
  },
});

/** Says much: lines and progress. */
const talker = defineEngine({
  id: "test.talk",
  version: 1,
  input: z.strictObject({ lines: z.number() }),
  output: z.strictObject({ key: z.string() }),
  run({ lines }, ctx) {
    for (let i = 1; i <= lines; i++) {
      ctx.log.info(`line ${i}`, { i });
      ctx.progress(i / lines, `line ${i}`);
    }
    console.log("by console");
    return { key: ctx.idempotencyKey("step") };
  },
});

export default [sleeper, deaf, polite, talker];
