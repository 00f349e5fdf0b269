import { Redis, type RedisOptions } from "ioredis";
import { listenForErrors } from "./listen-for-errors.ts";

/** Opens a connection and hears its errors, which would otherwise end the process. */
export function openRedis(
  url: string,
  { replyMapping: _, ...options }: RedisOptions,
  onError: (error: Error) => void,
): Redis {
  const redis = new Redis(url, options);
  listenForErrors(redis, onError);
  return redis;
}
