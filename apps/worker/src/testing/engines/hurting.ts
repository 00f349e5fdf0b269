import { setTimeout as sleep } from "node:timers/promises";
import { defineEngine, z } from "@tl-engine/engine-kit";

const done = z.strictObject({ done: z.boolean() });
const isolations = ["inline", "thread"] as const;

/** The same engine twice: `<id>.inline` and `<id>.thread`. */
function both<I extends z.ZodType>(
  id: string,
  input: I,
  run: (input: z.output<I>) => Promise<{ done: boolean }>,
) {
  return isolations.map((isolation) =>
    defineEngine({
      id: `${id}.${isolation}`,
      version: 1,
      isolation,
      memory: 64,
      timeout: { default: "30s", max: "1h" },
      backoff: { initial: "1ms", max: "10ms" },
      maxAttempts: 2,
      input,
      output: done,
      run,
    }),
  );
}

/** Blocks the event loop. */
const spin = both("test.spin", z.strictObject({ ms: z.number() }), async ({ ms }) => {
  await sleep(1);
  const end = performance.now() + ms;
  while (performance.now() < end);
  return { done: true };
});

const ways = ["exit", "exit-in-timer", "uncaught", "rejection", "swallowed-exit"] as const;

/** Ends its process, or lets an error escape. */
const crash = both("test.crash", z.strictObject({ how: z.enum(ways) }), async ({ how }) => {
  await sleep(1);
  if (how === "exit") process.exit(1);
  if (how === "exit-in-timer") setTimeout(() => process.exit(1), 1);
  if (how === "uncaught") {
    setTimeout(() => {
      throw new Error("escaped");
    }, 1);
  }
  if (how === "rejection") void Promise.reject(new Error("left alone"));
  if (how === "swallowed-exit") {
    try {
      process.exit(1);
    } catch {
      // An engine that catches everything.
    }
  }
  await sleep(60_000);
  return { done: true };
});

/** Takes JavaScript heap until there is none: slowly, in small pieces, or as fast as it can. */
const leak = both(
  "test.leak",
  z.strictObject({ fast: z.boolean().default(false) }),
  async ({ fast }) => {
    const kept: unknown[] = [];
    for (;;) {
      if (fast) for (;;) kept.push(Array.from({ length: 10_000 }, Math.random));
      for (let i = 0; i < 1_000; i++) kept.push({ i, text: `${i}`.repeat(20) });
      await sleep(0);
    }
  },
);

export default [...spin, ...crash, ...leak];
