import { defineEngine, httpUrl, z } from "@tl-engine/engine-kit";

/** Says that it is half done, and ends when the sink lets it. */
export default defineEngine({
  id: "progress",
  version: 1,
  input: z.object({ sink: httpUrl() }),
  output: z.object({ done: z.literal(true) }),
  uses: ["http"],
  async run({ sink }, ctx) {
    ctx.progress(0.5, "half of it");
    await ctx.clients.http().request(`${sink}/effects/${ctx.executionId}?hold=1`, {
      method: "POST",
    });
    ctx.progress(1, "all of it");
    return { done: true as const };
  },
});
