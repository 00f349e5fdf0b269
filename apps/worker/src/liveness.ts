/** An engine version, as far as liveness looks at it. */
interface Watched {
  readonly name: string;
  readonly slots: { readonly used: number; readonly total: number };
}

export interface LivenessOptions<E extends Watched> {
  engines: readonly E[];
  /** Deliveries of the engine that this worker could take. Rejects where the queue does not answer. */
  waiting(engine: E): Promise<number>;
  /** Rejects where Postgres does not answer. */
  askPostgres(): Promise<unknown>;
  /** When a delivery of any engine was taken last, by `performance.now()`. */
  takenAt(): number;
  /** Called once: this worker lives and does not work. */
  onStuck(engine: E): void;
  /** ms without a delivery, on end, after which it counts as stuck. */
  limitMs?: number;
  everyMs?: number;
}

/**
 * Watches whether this worker works, which is not the same as answering pings: for 30 s on end its queue answers and
 * holds a delivery for a free place, Postgres answers, and it has taken nothing (taskforcesh/bullmq#4585: only a restart
 * helped). Redis or Postgres away, full slots and empty queues never count.
 */
export function startLiveness<E extends Watched>(options: LivenessOptions<E>): { stop(): void } {
  const { engines, limitMs = 30_000, everyMs = 5_000 } = options;
  /** Looks on end that found something to take and a free place. Not the clock: a frozen worker is not to blame. */
  const idleLooks = new Map<E, number>();
  let looking = false;
  let isStuck = false;

  async function look(): Promise<void> {
    await options.askPostgres();
    for (const engine of engines) {
      const waiting = await options.waiting(engine);
      const isFree = engine.slots.used < engine.slots.total;
      const works = options.takenAt() > performance.now() - everyMs;
      if (waiting === 0 || !isFree || works) {
        idleLooks.delete(engine);
        continue;
      }
      const looks = idleLooks.get(engine) ?? 0;
      idleLooks.set(engine, looks + 1);
      if (looks * everyMs >= limitMs && !isStuck) {
        isStuck = true;
        options.onStuck(engine);
      }
    }
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look()
      // Somebody else is away: that never counts against this worker.
      .catch(() => idleLooks.clear())
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
