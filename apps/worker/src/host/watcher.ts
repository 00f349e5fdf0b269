import type { Host } from "./host.ts";

export interface WatcherOptions {
  /** The hosts to watch, at this moment. */
  hosts(): Iterable<Host>;
  /** A host that answered nothing for `limit` pings. */
  onBlocked(host: Host): void;
  limit: number;
  /** ms between pings. */
  everyMs: number;
}

/**
 * Pings hosts and tells which ones answer nothing. It counts its own beats, not the clock's time: a worker that was
 * frozen has beaten no more than its hosts and accuses nobody.
 */
export function startWatcher(options: WatcherOptions): { stop(): void } {
  const { everyMs, limit } = options;
  const timer = setInterval(() => {
    for (const host of options.hosts()) {
      if (!host.isReady) continue;
      if (host.unanswered >= limit) options.onBlocked(host);
      else host.ping();
    }
  }, everyMs);
  return { stop: () => clearInterval(timer) };
}
