import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Bed } from "../bed/bed.ts";
import type { Fault } from "./fault.ts";

/** Runs commands on the bed's Redis, not through its network. */
export async function withRedis<T>(bed: Bed, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(bed.redis.url);
  redis.on("error", () => undefined);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** Fills Redis to its limit and lets nothing go; the answer takes it back. */
export async function fillRedis(bed: Bed, maxMemory: string): Promise<() => Promise<void>> {
  await withRedis(bed, async (redis) => {
    await redis.config("SET", "maxmemory-policy", "noeviction");
    await redis.config("SET", "maxmemory", maxMemory);
    // Large values first, and then small ones, until not even those fit.
    for (const size of [65_536, 1_024, 64]) {
      for (let n = 0; ; n++) {
        try {
          await redis.set(`filler:${size}:${n}`, "x".repeat(size));
        } catch {
          break;
        }
      }
    }
  });
  return async () => {
    await withRedis(bed, async (redis) => {
      await redis.config("SET", "maxmemory", "0");
      const fillers = await redis.keys("filler:*");
      for (let from = 0; from < fillers.length; from += 1_000) {
        await redis.unlink(...fillers.slice(from, from + 1_000));
      }
    });
  };
}

export const redisFlushed: Fault = {
  name: "FLUSHALL",
  backends: ["redis"],
  strike: (bed) => withRedis(bed, async (redis) => void (await redis.flushall())),
};

export const redisAway: Fault = {
  name: "Redis stopped, and back empty",
  backends: ["redis"],
  async strike(bed, _context, lastsMs) {
    await bed.redis.kill();
    await delay(lastsMs);
    await bed.redis.start();
  },
};

export const redisFrozen: Fault = {
  name: "SIGSTOP of Redis",
  backends: ["redis"],
  async strike(bed, _context, lastsMs) {
    bed.redis.pause();
    await delay(lastsMs);
    bed.redis.resume();
  },
};

export const redisFull: Fault = {
  name: "Redis full",
  backends: ["redis"],
  async strike(bed, _context, lastsMs) {
    const makeRoom = await fillRedis(bed, "20mb");
    await delay(lastsMs);
    await makeRoom();
  },
};
