import type { Redis } from "ioredis";
import { openRedis } from "../redis/open-redis.ts";
import { redisOptions } from "../redis/redis-options.ts";
import { channels, makeListeners, type Signals } from "./signals.ts";

const prefix = "tl:signal:";

/** Signals over Redis' publish and subscribe. */
export function openRedisSignals(url: string, onError: (error: Error) => void): Signals {
  const listeners = makeListeners();
  const failFast = { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 2_000 };
  const out = openRedis(url, { ...redisOptions("tl-signals"), ...failFast }, onError);
  let incoming: Redis | null = null;

  function listen(): void {
    if (incoming !== null) return;
    incoming = openRedis(
      url,
      { ...redisOptions("tl-signals"), maxRetriesPerRequest: null },
      onError,
    );
    incoming.on("message", (channel: string, payload: string) =>
      listeners.tell(channel.slice(prefix.length), payload),
    );
    // Subscriptions are made anew by ioredis after each reconnect.
    incoming.subscribe(...channels.map((channel) => prefix + channel)).catch(onError);
  }

  return {
    publish(channel, payload) {
      if (out.status === "ready") out.publish(prefix + channel, payload).catch(onError);
    },
    subscribe(channel, hear) {
      listeners.add(channel, hear);
      listen();
    },
    async close() {
      out.disconnect();
      incoming?.disconnect();
    },
  };
}
