import { defineEngine, httpUrl, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({
    sink: httpUrl(),
    hold: z.boolean().default(false),
    fail: z.int().min(0).default(0),
  }),
  output: z.object({ attempt: z.int() }),
  backoff: { initial: "20ms" },
  uses: ["http"],
} as const;

/** Has an effect outside: one call to the sink, which may hold or refuse it. */
const count = defineEngine({
  ...contract,
  id: "count",
  async run({ sink, hold, fail }, ctx) {
    const query = `attempt=${ctx.attempt}${hold ? "&hold=1" : ""}&fail=${fail}`;
    await ctx.clients.http().request(`${sink}/effects/${ctx.executionId}?${query}`, {
      method: "POST",
      json: {},
      idempotent: true,
      step: "count",
    });
    return { attempt: ctx.attempt };
  },
});

/** The same, one at a time over all workers. */
const single = defineEngine({ ...count, id: "count.single", concurrency: 1 });

export default [count, single];
