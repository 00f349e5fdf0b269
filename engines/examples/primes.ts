import { setImmediate } from "node:timers/promises";
import { defineEngine } from "@tl-engine/engine-kit";
import { primesContract } from "./primes-contract.ts";

export default defineEngine({
  ...primesContract,
  isolation: "thread", // it computes: a thread of its own, so that it holds up nobody
  memory: 128,
  timeout: { default: "30s", max: "5m" },
  maxAttempts: 1, // the same input fails the same way

  async run({ below, list }, ctx) {
    const composite = new Uint8Array(below);
    const primes: number[] = [];
    for (let n = 2; n < below; n += 1) {
      if (n % 100_000 === 0) {
        ctx.progress(n / below, `${primes.length} found`);
        await setImmediate(); // lets the thread hear of a timeout or a cancel …
        ctx.signal.throwIfAborted(); // … and ends the work then
      }
      if (composite[n]) continue;
      primes.push(n);
      for (let m = n * n; m < below; m += n) composite[m] = 1;
    }
    ctx.log.info("counted", { below, count: primes.length });
    return { count: primes.length, primes: list ? primes : undefined };
  },
});
