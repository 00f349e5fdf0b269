import { once } from "node:events";
import type { Redis } from "ioredis";
import type pg from "pg";
import type { Log } from "../log/log.ts";
import { createFallingBackRateLimiter } from "./falling-back-rate-limiter.ts";
import { createLocalRateLimiter } from "./local-rate-limiter.ts";
import { createPostgresRateLimiter } from "./postgres-rate-limiter.ts";
import { counterName, type RateLimiter } from "./rate-limiter.ts";
import { createRedisRateLimiter } from "./redis-rate-limiter.ts";
import { takeFromWindow } from "./take-from-window.ts";

export interface OpenRateLimiterOptions {
  /** Opened with `impatientRedisOptions`; null where there is no Redis. Whoever opened it closes it. */
  readonly redis: Redis | null;
  readonly pool: pg.Pool;
  readonly windowSeconds: number;
  readonly log: Pick<Log, "info" | "warn">;
  /** `tl_rate_limit_local`: 1 while this process counts alone. */
  readonly localGauge: { set(value: number): void };
  /** The time that callers are told the end of a window in, where this process counts alone; ms since 1970. */
  readonly now: () => number;
}

const probeEveryMs = 500;
const patienceAtStartMs = 500;

/** The process's limiter: in Redis, in this process while Redis is away, or in Postgres without Redis. */
export function openRateLimiter(options: OpenRateLimiterOptions): RateLimiter {
  const { redis, pool, windowSeconds, log, localGauge, now } = options;
  if (redis === null) {
    localGauge.set(0);
    return createPostgresRateLimiter(pool, windowSeconds);
  }
  let wasLocal = false;
  const limiter = createFallingBackRateLimiter({
    shared: afterFirstConnect(redis, createRedisRateLimiter(redis, windowSeconds)),
    local: createLocalRateLimiter(windowSeconds, now),
    // The script itself, since a full or read-only Redis answers a PING but counts nothing.
    probe: () => takeFromWindow(redis, 1000, probeAsk),
    probeEveryMs,
    onChange(counting, reason) {
      localGauge.set(counting === "local" ? 1 : 0);
      if (counting === "local") {
        log.warn({ err: reason }, "Redis is away: rate limits are counted in this process alone");
      } else if (wasLocal) {
        log.info({}, "Redis is back: rate limits are shared again");
      }
      wasLocal = counting === "local";
    },
  });
  return limiter;
}

const probeAsk = { name: counterName("probe", "requests"), limit: 1_000_000, cost: 1, count: 1 };

/** A process that has just started counts nothing alone because its connection took a moment. */
function afterFirstConnect(redis: Redis, limiter: RateLimiter): RateLimiter {
  const starting = ["wait", "connecting", "connect"].includes(redis.status);
  let connected: Promise<unknown> | null = starting
    ? once(redis, "ready", { signal: AbortSignal.timeout(patienceAtStartMs) })
        .catch(() => undefined)
        .finally(() => (connected = null))
    : null;
  return {
    async take(...request) {
      if (connected !== null) await connected;
      return limiter.take(...request);
    },
    close: () => limiter.close(),
  };
}
