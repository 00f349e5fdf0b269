import { defineEngine, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({ how: z.enum(["exit", "throw", "reject"]), attempts: z.int().min(0) }),
  output: z.object({ attempt: z.int() }),
  backoff: { initial: "20ms" },
} as const;

type Input = z.output<(typeof contract)["input"]>;

/** Takes its host down in its first attempts. */
const inline = defineEngine({
  ...contract,
  id: "exit.inline",
  run: (input, ctx) => leave(input, ctx.attempt),
});

const thread = defineEngine({
  ...contract,
  id: "exit.thread",
  isolation: "thread",
  run: (input, ctx) => leave(input, ctx.attempt),
});

async function leave({ how, attempts }: Input, attempt: number): Promise<{ attempt: number }> {
  if (attempt > attempts) return { attempt };
  if (how === "exit") process.exit(1);
  if (how === "throw") {
    setImmediate(() => {
      throw new Error("thrown where nobody catches");
    });
  } else void Promise.reject(new Error("rejected where nobody looks"));
  return new Promise(() => undefined);
}

export default [inline, thread];
