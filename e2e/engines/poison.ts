import { execFileSync } from "node:child_process";
import { defineEngine, z } from "@tl-engine/engine-kit";

/** Takes the whole process down that it runs in, each time: the worker, where it is given no process of its own. */
export default (["inline", "thread"] as const).map((isolation) =>
  defineEngine({
    id: `poison.${isolation}`,
    version: 1,
    isolation,
    input: z.object({}),
    output: z.object({}),
    run() {
      execFileSync("kill", ["-KILL", String(process.pid)]);
      return {};
    },
  }),
);
