import { setTimeout as delay } from "node:timers/promises";
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
      // The sink may hold it as long as the execution may run.
      timeout: "1h",
    });
    return { attempt: ctx.attempt };
  },
});

/** The same, one at a time over all workers. */
const single = defineEngine({ ...count, id: "count.single", concurrency: 1 });

/** The same, from a process of its own. */
const fromProcess = defineEngine({ ...count, id: "count.process", isolation: "process" });

/** Has its effect, and then goes on for a while whoever tells it to stop; fails in its first attempts. */
const deaf = defineEngine({
  ...contract,
  id: "count.deaf",
  input: z.object({ sink: httpUrl(), ms: z.int().min(0), failures: z.int().min(0).default(0) }),
  async run({ sink, ms, failures }, ctx) {
    const call = `${sink}/effects/${ctx.executionId}?attempt=${ctx.attempt}`;
    await ctx.clients.http().request(call, { method: "POST", json: {}, idempotent: true });
    await delay(ms);
    if (ctx.attempt <= failures) throw new Error(`failure ${ctx.attempt} of ${failures}`);
    return { attempt: ctx.attempt };
  },
});

/** Has three effects: two steps with a name and one without. Fails behind them in its first attempts. */
const steps = defineEngine({
  ...contract,
  id: "steps",
  input: z.object({ sink: httpUrl(), failures: z.int().min(0).default(0) }),
  async run({ sink, failures }, ctx) {
    const call = `${sink}/effects/${ctx.executionId}?attempt=${ctx.attempt}`;
    const options = { method: "POST", json: {}, idempotent: true } as const;
    for (const step of ["charge", "tell", undefined]) {
      await ctx.clients.http().request(call, { ...options, ...(step && { step }) });
    }
    if (ctx.attempt <= failures) throw new Error(`failure ${ctx.attempt} of ${failures}`);
    return { attempt: ctx.attempt };
  },
});

export default [count, single, fromProcess, deaf, steps];
