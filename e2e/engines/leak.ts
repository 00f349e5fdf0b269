import { defineEngine, z } from "@tl-engine/engine-kit";

/** Keeps all that it makes until its memory is full. */
export default defineEngine({
  id: "leak",
  version: 1,
  input: z.object({}),
  output: z.object({}),
  isolation: "thread",
  memory: 64,
  maxAttempts: 1,
  run() {
    const kept: number[][] = [];
    for (;;) kept.push(new Array<number>(10_000).fill(Math.random()));
  },
});
