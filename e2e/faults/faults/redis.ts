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

/** A Redis without room, until it is given some. */
export interface FullRedis {
  /** How often it refused one more value since it was full first. */
  refusals(): number;
  makeRoom(): Promise<void>;
}

/** How often room that others made is taken, ms. */
const refillEveryMs = 20;

/** Fills Redis to its limit, lets nothing go, and keeps it full. */
export async function fillRedis(bed: Bed, maxMemory: string): Promise<FullRedis> {
  const redis = new Redis(bed.redis.url);
  redis.on("error", () => undefined);
  let written = 0;
  let refusals = 0;
  const fill = async (sizes: readonly number[]): Promise<void> => {
    for (const size of sizes) {
      try {
        for (;;) await redis.set(`filler:${written++}`, "x".repeat(size));
      } catch (error) {
        if (!/OOM/.test(String(error))) throw error;
      }
    }
    refusals++;
  };
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await redis.config("SET", "maxmemory", maxMemory);
  await fill([65_536, 4_096, 256]);
  refusals = 0;
  let full = true;
  const keeping = (async () => {
    while (full) {
      await delay(refillEveryMs);
      // Finished deliveries are removed, which makes room.
      await fill([1_024, 64]);
    }
  })();
  keeping.catch(() => undefined);
  return {
    refusals: () => refusals,
    async makeRoom() {
      full = false;
      try {
        await keeping;
        await redis.config("SET", "maxmemory", "0");
        for (let from = 0; from < written; from += 1_000) {
          const names = Array.from({ length: 1_000 }, (_, n) => `filler:${from + n}`);
          await redis.unlink(...names);
        }
      } finally {
        redis.disconnect();
      }
    },
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
    const full = await fillRedis(bed, "20mb");
    await delay(lastsMs);
    await full.makeRoom();
  },
};
