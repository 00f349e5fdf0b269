import { defineEngine, httpUrl, z } from "@tl-engine/engine-kit";

/** Never ends, ignores its signal, and tells the sink every 50 ms that it is still there. */
export default defineEngine({
  id: "stubborn",
  version: 1,
  input: z.object({ sink: httpUrl() }),
  output: z.object({}),
  timeout: "500ms",
  maxAttempts: { default: 2, max: 2 },
  backoff: { initial: "20ms" },
  async run({ sink }, ctx) {
    const beat = (): void => {
      // Not through the door, which would end its calls with the attempt.
      void fetch(`${sink}/effects/${ctx.executionId}?attempt=${ctx.attempt}`, { method: "POST" });
    };
    setInterval(beat, 50);
    ctx.signal.addEventListener("abort", () => {
      void fetch(`${sink}/effects/aborted-${ctx.executionId}?attempt=${ctx.attempt}`, {
        method: "POST",
      });
    });
    return new Promise(() => undefined);
  },
});
