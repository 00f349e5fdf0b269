import type { Redis } from "ioredis";
import { gatherAsks } from "./gather-asks.ts";
import { counterName, type RateLimiter } from "./rate-limiter.ts";
import { takeFromWindow } from "./take-from-window.ts";

/** Callers of one round; they share one write to the socket. */
const maxAsks = 500;

/**
 * Counts in Redis, shared by all API processes.
 * @param redis opened with `impatientRedisOptions`; whoever opened it closes it
 */
export function createRedisRateLimiter(redis: Redis, windowSeconds: number): RateLimiter {
  const take = gatherAsks(async (asks) => {
    const answers = await Promise.allSettled(
      asks.map((ask) => takeFromWindow(redis, windowSeconds * 1000, ask)),
    );
    return answers.map((answer) =>
      answer.status === "fulfilled" ? answer.value : (answer.reason as Error),
    );
  }, maxAsks);
  return {
    take: (callerId, budget, limit, cost = 1) => take(counterName(callerId, budget), limit, cost),
    async close() {},
  };
}
