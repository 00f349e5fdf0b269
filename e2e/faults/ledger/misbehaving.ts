import type { Expected, Order } from "./order.ts";

const hosts = ["inline", "thread", "process"] as const;
const everywhere = (id: string, make: (order: Order) => Expected) =>
  hosts.map((host) => [`${id}.${host}`, make] as const);

/** What has to come of engines that misbehave, where nobody else interferes. */
export const misbehaving: Readonly<Record<string, (order: Order) => Expected>> = {
  stubborn: ({ options }) => ({
    attempt: Number(options?.["max_attempts"] ?? 2),
    code: "timeout",
  }),
  "stubborn.thread": () => ({ attempt: 2, code: "timeout" }),
  "stubborn.process": () => ({ attempt: 2, code: "timeout" }),
  leak: () => ({ attempt: 1, code: "out_of_memory" }),
  "leak.process": () => ({ attempt: 1, code: "out_of_memory" }),
  "leak.buffers": () => ({ attempt: 1, code: "out_of_memory" }),
  call({ input }) {
    const { mode } = input as { mode: string };
    if (mode === "200") return { attempt: 1, output: { attempt: 1 } };
    if (mode.startsWith("40")) return { attempt: 1, code: "upstream_error" };
    const codes: Record<string, string> = { reset: "connection_failed", hang: "timeout" };
    return { attempt: 4, code: codes[mode] ?? "upstream_error" };
  },
  ...Object.fromEntries([
    ...everywhere("spin", ({ input }) =>
      // Its timeout is 1 s.
      (input as { ms: number }).ms < 1_000
        ? { attempt: 1, output: { attempt: 1 } }
        : { attempt: 1, code: "timeout" },
    ),
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
