import { counterName, type RateLimiter } from "./rate-limiter.ts";
import { decisionOf, grantable } from "./window-ask.ts";

/** Beyond this many callers those whose windows ended, and then the oldest, are forgotten. */
const maxCounters = 100_000;

/**
 * Counts in this process alone: what holds while the shared counter is away.
 * @param now the time that callers are told the end of their window in, ms since 1970
 */
export function createLocalRateLimiter(windowSeconds: number, now: () => number): RateLimiter {
  const windowMs = windowSeconds * 1000;
  const counters = new Map<string, { used: number; endsAtMs: number }>();

  function counterOf(name: string, nowMs: number): { used: number; endsAtMs: number } {
    const known = counters.get(name);
    if (known && known.endsAtMs > nowMs) return known;
    // Windows are equally long, so that the map's order is the order in which they end.
    counters.delete(name);
    for (const [other, { endsAtMs }] of counters) {
      if (endsAtMs > nowMs && counters.size < maxCounters) break;
      counters.delete(other);
    }
    const counter = { used: 0, endsAtMs: nowMs + windowMs };
    counters.set(name, counter);
    return counter;
  }

  return {
    async take(callerId, budget, limit, cost = 1) {
      const nowMs = now();
      const counter = counterOf(counterName(callerId, budget), nowMs);
      const ask = { name: "", limit, cost, count: 1 };
      const granted = grantable(ask, counter.used);
      const usedBefore = counter.used;
      counter.used += granted * cost;
      const { endsAtMs } = counter;
      return decisionOf(ask, { usedBefore, granted, leftMs: endsAtMs - nowMs, endsAtMs }, 0);
    },
    async close() {},
  };
}
