import type { Redis } from "ioredis";

/** Whether the queue's store still holds what was put into it. */
export interface Canary {
  /**
   * Writes the leader's number and says whether the store had lost something: the number before is missing or older.
   * @throws where the store cannot be reached
   */
  sing(tick: number, previousTick: number): Promise<"whole" | "lost">;
}

const key = "tl:canary";

/**
 * Redis can lose what it holds: emptied, restarted without its file, failed over with the last second missing. The number
 * is written each second, so a gap shows at once, and by an exact sign instead of by age.
 */
export function createRedisCanary(redis: Redis): Canary {
  return {
    async sing(tick, previousTick) {
      const found = Number((await redis.getset(key, String(tick))) ?? 0);
      // The turn before may have ended between Postgres and Redis; two in a row may not.
      return found >= previousTick - 1 ? "whole" : "lost";
    },
  };
}

/** On Postgres the queue shares the record's fate: nothing to watch. */
export const noCanary: Canary = { sing: async () => "whole" };
