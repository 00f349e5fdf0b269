import { defineEngine, httpUrl, z } from "@tl-engine/engine-kit";

/** One call to a server that answers as `mode` says. */
export default defineEngine({
  id: "call",
  version: 1,
  input: z.object({ server: httpUrl(), mode: z.string() }),
  output: z.object({ attempt: z.int() }),
  maxAttempts: 4,
  backoff: { initial: "200ms", factor: 2 },
  uses: ["http"],
  async run({ server, mode }, ctx) {
    await ctx.clients.http().request(`${server}/${mode}/${ctx.executionId}`, {
      method: "POST",
      json: {},
      idempotent: true,
      timeout: "1s",
      step: "call",
    });
    return { attempt: ctx.attempt };
  },
});
