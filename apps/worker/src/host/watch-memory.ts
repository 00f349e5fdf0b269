/** ms between looks at the memory of something that runs. */
const everyMs = 100;

export interface MemoryWatchOptions {
  /** What is used now, MiB; null or a rejection where it is about to end. */
  usedMib(): Promise<number | null>;
  /** Above this it is told. */
  endAtMib: number;
  /** Whether anything runs there; else nobody looks. */
  isBusy(): boolean;
  onExceeded(): void;
}

/** Tells once when memory has grown beyond `endAtMib`; while whoever uses it is blocked, too. */
export function watchMemory(options: MemoryWatchOptions): { stop(): void } {
  let asking = false;
  let stopped = false;

  async function look(): Promise<void> {
    const used = await options.usedMib();
    if (used === null || used < options.endAtMib || stopped) return;
    stop();
    options.onExceeded();
  }

  const timer = setInterval(() => {
    if (asking || !options.isBusy()) return;
    asking = true;
    look()
      // It is about to end: there is nothing left to watch.
      .catch(() => undefined)
      .finally(() => {
        asking = false;
      });
  }, everyMs);
  timer.unref();

  function stop(): void {
    stopped = true;
    clearInterval(timer);
  }
  return { stop };
}
