import { execFileSync } from "node:child_process";
import { defineEngine, z } from "@tl-engine/engine-kit";

const ways = ["exit", "throw", "reject", "abort", "kill", "segv"] as const;

/** Takes its host down in its first attempts. `abort`, `kill` and `segv` are for a process: they would end a worker. */
export default (["inline", "thread", "process"] as const).map((isolation) =>
  defineEngine({
    id: `exit.${isolation}`,
    version: 1,
    isolation,
    input: z.object({ how: z.enum(ways), attempts: z.int().min(0) }),
    output: z.object({ attempt: z.int() }),
    backoff: { initial: "20ms" },
    async run({ how, attempts }, { attempt }) {
      if (attempt > attempts) return { attempt };
      leave(how);
      return new Promise(() => undefined);
    },
  }),
);

function leave(how: (typeof ways)[number]): void {
  const signal = (name: string) => execFileSync("kill", [`-${name}`, String(process.pid)]);
  if (how === "exit") process.exit(1);
  else if (how === "abort") process.abort();
  else if (how === "kill") signal("KILL");
  else if (how === "segv") signal("SEGV");
  else if (how === "reject") void Promise.reject(new Error("rejected where nobody looks"));
  else {
    setImmediate(() => {
      throw new Error("thrown where nobody catches");
    });
  }
}
