/** An engine version, as far as liveness looks at it. */
interface Watched {
  readonly name: string;
  readonly slots: { readonly used: number; readonly total: number };
}

export interface LivenessTimes {
  /** ms on end without a delivery, after which it counts as stuck; 30 s. */
  limitMs?: number;
  /** ms between two looks; 5 s. */
  everyMs?: number;
}

export interface LivenessOptions<E extends Watched> extends LivenessTimes {
  /** Looked at anew each time. */
  engines: readonly E[];
  /** Deliveries of the engine that wait in its queue. Rejects where the queue does not answer. */
  waiting(engine: E): Promise<number>;
  /** Rejects where the queue does not answer, or can hand out nothing: taking something writes. */
  askQueue(): Promise<unknown>;
  /** Rejects where Postgres does not answer. */
  askPostgres(): Promise<unknown>;
  /** When a delivery of this engine was taken last, by `performance.now()`. */
  takenAt(engine: E): number;
  /** Called once: this worker lives and does not work. */
  onStuck(engine: E, seconds: number): void;
}

/** Looks on end that found something to take and a free place, since nothing more was taken. */
interface Idle {
  looks: number;
  takenAt: number;
}

/**
 * Watches whether this worker works, which is not the same as answering pings: for 30 s on end the queue of an engine
 * that it serves answers and holds a delivery, a place for it is free, Postgres answers, and it has taken nothing of that
 * engine (taskforcesh/bullmq#4585: only a restart helped). Redis or Postgres away, full slots and empty queues never
 * count; what is paused or behind a ceiling is not in the queue.
 */
export function startLiveness<E extends Watched>(options: LivenessOptions<E>): { stop(): void } {
  const { engines, limitMs = 30_000, everyMs = 5_000 } = options;
  // Looks, not the clock: a worker that was frozen in between is not to blame.
  const idle = new Map<E, Idle>();
  let looking = false;
  let stopped = false;

  async function look(): Promise<void> {
    // They come and go.
    const watched = [...engines];
    const [waiting] = await Promise.all([
      Promise.all(watched.map((engine) => options.waiting(engine))),
      options.askQueue(),
      options.askPostgres(),
    ]);
    for (const [index, engine] of watched.entries()) {
      const takenAt = options.takenAt(engine);
      const before = idle.get(engine);
      const isFree = engine.slots.used < engine.slots.total;
      if (waiting[index] === 0 || !isFree || (before !== undefined && before.takenAt !== takenAt)) {
        idle.delete(engine);
        continue;
      }
      const looks = (before?.looks ?? 0) + 1;
      idle.set(engine, { looks, takenAt });
      // Between so many looks lie as many times the pause, less one.
      if ((looks - 1) * everyMs >= limitMs && !stopped) {
        stop();
        options.onStuck(engine, limitMs / 1_000);
        return;
      }
    }
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look()
      // Somebody else is away: that never counts against this worker.
      .catch(() => idle.clear())
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  timer.unref();

  function stop(): void {
    stopped = true;
    clearInterval(timer);
  }
  return { stop };
}
