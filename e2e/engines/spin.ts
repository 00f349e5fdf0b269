import { defineEngine, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({ ms: z.int().min(0) }),
  output: z.object({ attempt: z.int() }),
  timeout: "1s",
  maxAttempts: 1,
} as const;

/** Blocks the event loop that it shares with others. */
const inline = defineEngine({
  ...contract,
  id: "spin.inline",
  run: ({ ms }, ctx) => block(ms, ctx.attempt),
});

/** Blocks an event loop of its own. */
const thread = defineEngine({
  ...contract,
  id: "spin.thread",
  isolation: "thread",
  run: ({ ms }, ctx) => block(ms, ctx.attempt),
});

function block(ms: number, attempt: number): { attempt: number } {
  const until = performance.now() + ms;
  while (performance.now() < until);
  return { attempt };
}

export default [inline, thread];
