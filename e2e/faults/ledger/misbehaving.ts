import type { Expected, Order } from "./model.ts";

const hosts = ["inline", "thread", "process"] as const;
const everywhere = (id: string, make: (order: Order) => Expected) =>
  hosts.map((host) => [`${id}.${host}`, make] as const);

/** What has to come of engines that misbehave, where nobody else interferes. */
export const misbehaving: Readonly<Record<string, (order: Order) => Expected>> = {
  stubborn: () => ({ attempt: 2, code: "timeout" }),
  "stubborn.thread": () => ({ attempt: 2, code: "timeout" }),
  "stubborn.process": () => ({ attempt: 2, code: "timeout" }),
  leak: () => ({ attempt: 1, code: "out_of_memory" }),
  "leak.process": () => ({ attempt: 1, code: "out_of_memory" }),
  "leak.buffers": () => ({ attempt: 1, code: "out_of_memory" }),
  ...Object.fromEntries([
    ...everywhere("spin", () => ({ attempt: 1, code: "timeout" })),
    ...everywhere("exit", ({ input }) => {
      const attempt = (input as { attempts: number }).attempts + 1;
      return { attempt, output: { attempt } };
    }),
    ...everywhere("strange", ({ input }) => {
      const { throws, returns } = input as { throws?: string; returns?: string };
      if (throws !== undefined) return { attempt: 1, code: "engine_error" };
      return { attempt: 1, code: returns === "huge" ? "output_too_large" : "output_invalid" };
    }),
    ...everywhere("poison", () => ({ attempt: 1, code: "worker_lost" })),
  ]),
};
