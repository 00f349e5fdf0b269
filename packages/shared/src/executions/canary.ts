import type { Redis } from "ioredis";

/** Whether the queue's store still holds what was put into it. */
export interface Canary {
  /**
   * The number that was written last and is still there; null where there is none.
   * @throws where the store cannot be reached
   */
  read(): Promise<number | null>;
  /** Writes a number that is larger than all before. @throws where the store cannot be reached */
  write(tick: number): Promise<void>;
}

const key = "tl:canary";

/**
 * Redis can lose what it holds: emptied, restarted without its file, failed over with the last second missing. The
 * leader writes a growing number each second; a number that is missing or smaller than the one written last says that
 * what came after it is lost: an exact sign, where age can tell nothing.
 */
export function createRedisCanary(redis: Redis): Canary {
  return {
    async read() {
      const found = await redis.get(key);
      return found === null ? null : Number(found);
    },
    async write(tick) {
      await redis.set(key, String(tick));
    },
  };
}

/** On Postgres the queue shares the record's fate: nothing to watch. */
export const noCanary: Canary = {
  read: async () => Number.MAX_SAFE_INTEGER,
  write: async () => {},
};
