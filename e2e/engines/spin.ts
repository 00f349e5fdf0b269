import { defineEngine, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({ ms: z.int().min(0) }),
  output: z.object({ attempt: z.int() }),
  timeout: "1s",
  maxAttempts: 1,
} as const;

/** Blocks an event loop: the one that it shares with others, or its own. */
export default (["inline", "thread", "process"] as const).map((isolation) =>
  defineEngine({
    ...contract,
    id: `spin.${isolation}`,
    isolation,
    run({ ms }, { attempt }) {
      const until = performance.now() + ms;
      while (performance.now() < until);
      return { attempt };
    },
  }),
);
