import type { ServedEngine } from "./served-engine.ts";

export interface LivenessOptions {
  engines: readonly ServedEngine[];
  /** Deliveries that wait in the engine's queue, in nobody's hands. Rejects where the queue does not answer. */
  waiting(engine: ServedEngine): Promise<number>;
  /** Rejects where Postgres does not answer. */
  askPostgres(): Promise<unknown>;
  /** When a delivery of any engine was taken last, by `performance.now()`. */
  takenAt(): number;
  /** Called once: this worker lives and does not work. */
  onStuck(engine: ServedEngine): void;
  /** ms without a delivery, on end, after which it counts as stuck. */
  limitMs?: number;
  everyMs?: number;
}

/**
 * Watches whether this worker works, which is not the same as answering pings: for 30 s on end its queue answers and
 * holds a delivery for a free place, Postgres answers, and it has taken nothing (taskforcesh/bullmq#4585: only a restart
 * helped). Redis or Postgres away, full slots and empty queues never count.
 */
export function startLiveness(options: LivenessOptions): { stop(): void } {
  const { engines, limitMs = 30_000, everyMs = 5_000 } = options;
  /** Since when each engine's queue holds what could be taken, by `performance.now()`. */
  const since = new Map<ServedEngine, number>();
  let looking = false;

  async function look(): Promise<void> {
    await options.askPostgres();
    for (const engine of engines) {
      const waiting = await options.waiting(engine);
      const isFree = engine.slots.used < engine.slots.total;
      const now = performance.now();
      if (waiting === 0 || !isFree || options.takenAt() > now - everyMs) since.delete(engine);
      else if (!since.has(engine)) since.set(engine, now);
      else if (now - (since.get(engine) ?? now) >= limitMs) options.onStuck(engine);
    }
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look()
      // Somebody else is away: that never counts against this worker.
      .catch(() => since.clear())
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
