import type { CommonRedisOptions } from "ioredis";

/** Options as `new Redis(url, options)` takes them; replies keep ioredis' usual shapes. */
export type OurRedisOptions = Omit<CommonRedisOptions, "replyMapping">;

/**
 * What every Redis connection of ours sets. BullMQ's default waits up to 20 s between tries: a worker
 * then takes its first job 16 s after Redis is back, with this in 0.7 s.
 */
export function redisOptions(connectionName = "tl-engine"): OurRedisOptions {
  return {
    connectionName,
    retryStrategy: (times) => Math.min(100 * times, 1000),
    connectTimeout: 5000,
  };
}

/**
 * For a connection whose callers hold a request open: a command fails at once while Redis is away,
 * and after 250 ms where it doesn't answer. Nothing is sent twice, since a counter would count twice.
 */
export function impatientRedisOptions(connectionName: string): OurRedisOptions {
  return {
    ...redisOptions(connectionName),
    enableOfflineQueue: false,
    commandTimeout: 250,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };
}
