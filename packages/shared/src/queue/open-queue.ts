import { makeBullmqQueue } from "./bullmq-queue.ts";
import { makePostgresBackend } from "./postgres-backend.ts";
import type { Queue } from "./queue.ts";
import { makeRedisBackend } from "./redis-backend.ts";

export interface OpenQueueOptions {
  /** null: BullMQ runs on Postgres. */
  redisUrl: string | null;
  databaseUrl: string;
  /** How long a delivery that a worker took stays its own without a sign of life, ms. */
  lockMs: number;
  /** Engine versions that this process will consume. */
  consumed: number;
  onError: (error: Error) => void;
}

/** Opens the queue on Redis, or on Postgres where no Redis is configured. */
export function openQueue(options: OpenQueueOptions): Queue {
  const { redisUrl, databaseUrl, lockMs, consumed, onError } = options;
  const backend =
    redisUrl === null
      ? makePostgresBackend({ url: databaseUrl, lockMs, consumed, onError })
      : makeRedisBackend({ url: redisUrl, lockMs, onError });
  return makeBullmqQueue(backend, onError);
}
