import { Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { openRedis } from "../redis/open-redis.ts";
import { redisOptions } from "../redis/redis-options.ts";
import type { Backend, JobData } from "./bullmq-queue.ts";

export interface RedisBackendOptions {
  url: string;
  /** How long a worker's claim on a job lasts without renewal, ms. */
  lockMs: number;
  onError: (error: Error) => void;
}

/** Keys of the queue, apart from those of other programs on the same Redis. */
const prefix = "tl";
/** How long the mark of a probe stays, ms. */
const probeKeptMs = 60_000;
/**
 * A command that waits for its answer for so long, ms, waits for a connection that was cut in silence: it is made again,
 * and the command sent again. Longer than the queue's own blocking fetch (`drainDelay` 5 s, 10 s at most).
 */
const deadConnectionMs = 15_000;
/** A stalled delivery is dropped by its dispatch when it comes twice, so it may stall as often as it likes. */
const anyNumber = 2 ** 31 - 1;

/** BullMQ on Redis: one connection for commands that fail fast, one for the workers' own. */
export function makeRedisBackend({ url, lockMs, onError }: RedisBackendOptions): Backend {
  const commands = openRedis(
    url,
    {
      ...redisOptions("tl-queue"),
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 2_000,
    },
    onError,
  );
  let forWorkers: Redis | null = null;

  return {
    makeQueue: (name) =>
      new Queue<JobData>(name, {
        connection: commands,
        prefix,
        // An unreachable Redis has to show at once; the record is in Postgres and is enqueued later.
        skipWaitingForReady: true,
        streams: { events: { maxLen: 100 } },
      }),

    makeWorker(name, concurrency, process) {
      forWorkers ??= openRedis(
        url,
        {
          ...redisOptions("tl-worker"),
          maxRetriesPerRequest: null,
          socketTimeout: deadConnectionMs,
        },
        onError,
      );
      return new Worker<JobData>(name, (job) => process(job.data), {
        connection: forWorkers,
        prefix,
        concurrency,
        lockDuration: lockMs,
        stalledInterval: Math.max(1_000, Math.round(lockMs / 3)),
        maxStalledCount: anyNumber,
        drainDelay: 5,
        runRetryDelay: 1_000,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      });
    },

    async health() {
      const policy = await commands.config("GET", "maxmemory-policy").catch((error: unknown) => {
        // A managed Redis may forbid CONFIG; that it answered is what counts.
        if (commands.status === "ready" && /unknown command|NOPERM/i.test(String(error)))
          return null;
        throw error;
      });
      const name = Array.isArray(policy) ? policy[1] : null;
      const reasons =
        typeof name === "string" && name !== "noeviction"
          ? [`redis: maxmemory-policy is ${name}, must be noeviction`]
          : [];
      return { ok: true, reasons };
    },

    async probe() {
      await commands.set(`${prefix}:probe`, "1", "PX", probeKeptMs);
    },

    async close() {
      commands.disconnect();
      forWorkers?.disconnect();
    },
  };
}
