import { defineEngine, httpUrl, z } from "@tl-engine/engine-kit";

const everywhere = {
  stubborn: "inline",
  "stubborn.thread": "thread",
  "stubborn.process": "process",
} as const;

/** Never ends, ignores its signal, and tells the sink at once and every 50 ms that it is still there. */
export default Object.entries(everywhere).map(([id, isolation]) =>
  defineEngine({
    id,
    version: 1,
    isolation,
    input: z.object({ sink: httpUrl() }),
    output: z.object({}),
    timeout: "500ms",
    maxAttempts: { default: 2, max: 2 },
    backoff: { initial: "20ms" },
    async run({ sink }, ctx) {
      const startedAt = performance.now();
      const say = (what: string): void => {
        const url = `${sink}/effects/${what}?attempt=${ctx.attempt}`;
        // The sink keeps this header: when it was said, in ms since the attempt's start.
        const headers = { "idempotency-key": String(performance.now() - startedAt) };
        // Not through the door, which would end its calls with the attempt.
        void fetch(url, { method: "POST", headers });
      };
      say(ctx.executionId);
      setInterval(() => say(ctx.executionId), 50);
      ctx.signal.addEventListener("abort", () => say(`aborted-${ctx.executionId}`));
      return new Promise(() => undefined);
    },
  }),
);
