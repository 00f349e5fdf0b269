import { defineEngine } from "@tl-engine/engine-kit";

import { connectionTestContract } from "./contract.ts";

/** An answer of any status is a result: what it means for the connection is for whoever asked to say. */
export default defineEngine({
  ...connectionTestContract,
  uses: ["http"],
  timeout: { default: "20s", max: "20s" },
  ttl: { default: "1m", max: "1m" },
  maxAttempts: { default: 1, max: 1 },
  async run({ connection, method, path }, ctx) {
    const answer = await ctx.clients.http(connection).request(path ?? "", {
      method,
      redirect: "none",
      acceptStatus: "any",
      timeout: "15s",
      step: "test",
    });
    return { status: answer.status, duration_ms: answer.durationMs };
  },
});
