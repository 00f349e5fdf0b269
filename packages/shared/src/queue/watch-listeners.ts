import type { Duplex } from "node:stream";
import type pg from "pg";

export interface WatchListenersOptions {
  /** How often each is asked, ms; also how long a connection is out before it counts as one that listens. */
  everyMs?: number;
  /** Without an answer for so long it is given up, ms. */
  patienceMs?: number;
}

/**
 * Asks the connections that listen whether they still hear. One that was cut in silence (a firewall that forgot it, a
 * machine that is gone) hears no NOTIFY any more and says no word about it: the queue would find each job only when it
 * polls (taskforcesh/bullmq#4729). Given up, it ends with an error, and BullMQ makes another one.
 *
 * A connection that is out of the pool for long is one that listens: statements are bounded by their timeout.
 * @returns stops it
 */
export function watchListeners(pool: pg.Pool, options: WatchListenersOptions = {}): () => void {
  const { everyMs = 5_000, patienceMs = 5_000 } = options;
  const outSince = new Map<pg.PoolClient, number>();
  const asked = new WeakSet<pg.PoolClient>();
  pool.on("acquire", (client) => void outSince.set(client, performance.now()));
  pool.on("release", (_error, client) => void outSince.delete(client));
  pool.on("remove", (client) => void outSince.delete(client));

  function ask(client: pg.PoolClient): void {
    const giveUp = setTimeout(() => {
      outSince.delete(client);
      streamOf(client)?.destroy(
        new Error(`a connection that listens did not answer for ${patienceMs} ms`),
      );
    }, patienceMs);
    giveUp.unref();
    asked.add(client);
    const answered = (): void => {
      clearTimeout(giveUp);
      asked.delete(client);
    };
    // A broken one says so itself.
    client.query("SELECT 1").then(answered, answered);
  }

  const timer = setInterval(() => {
    const before = performance.now() - everyMs;
    for (const [client, since] of outSince) if (since < before && !asked.has(client)) ask(client);
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The socket below; `end()` would wait for the other side, and say nothing to who listens here. */
function streamOf(client: pg.PoolClient): Duplex | undefined {
  return (client as unknown as { connection?: { stream?: Duplex } }).connection?.stream;
}
