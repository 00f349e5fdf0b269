import assert from "node:assert/strict";
import { startFailingServer } from "../misbehaving/failing-server.ts";
import type { FaultCase } from "../case.ts";

const transient = ["500", "503", "429", "reset", "hang"];
const final = ["400", "404"];

export const faultCase: FaultCase = {
  id: "E8",
  promise:
    "transient failures (5xx, 429 with Retry-After, reset, timeout) are retried up to the engine's attempts with a jittered backoff, others not at all; never more calls outside than attempts",
  backends: ["redis"],
  short: true,
  async run(context) {
    const server = await startFailingServer();
    try {
      const bed = await context.startBed({
        engines: ["call"],
        env: { TL_OUTBOUND_ALLOW: server.address },
      });
      const modes = [...transient, ...final, "200"];
      const ledger = await context.openLedger(bed, ["call"]);
      await ledger.load({
        engine: "call",
        input: (n) => ({ server: server.url, mode: modes[n % modes.length] }),
        count: context.size(40, 1_000),
      });
      const { executions } = await ledger.audit(context.size(90_000, 600_000));
      const waits: number[] = [];
      for (const { execution_id: id, attempts = [] } of executions.values()) {
        const { mode, times } = server.callsOf(id);
        assert.equal(times.length, transient.includes(mode) ? 4 : 1, `${mode}: calls of ${id}`);
        assert.equal(attempts.length, times.length, `${mode}: attempts of ${id}`);
        for (let n = 1; n < attempts.length; n++) {
          const from = Date.parse(attempts[n - 1]?.finished_at ?? "");
          const wait = Date.parse(attempts[n]?.started_at ?? "") - from;
          if (mode === "429") assert(wait >= 990, `${id} was tried again ${wait} ms after a 429`);
          else if (n === 3) waits.push(wait);
        }
      }
      const [least, most] = [Math.min(...waits), Math.max(...waits)];
      context.say(`the 4th attempts came after ${least} to ${most} ms`);
      // Full jitter over 800 ms: that all of so many fall into a fifth of it does not happen.
      assert(most - least > 160, "the backoff has no jitter");
    } finally {
      await server.close();
    }
  },
};
