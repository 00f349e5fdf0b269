/** Calls when the next known execution is due: see {@link createDueTimer}. */
export interface DueTimer {
  /** Something becomes due in this many ms. */
  arm(inMs: number): void;
  close(): void;
}

/** What is due later than this is left to the reconciler, which looks each second. */
const horizonMs = 60_000;

/**
 * One timer for the earliest due time that this process knows of. It only makes things punctual: whatever it does not
 * know of is found by the reconciler.
 */
export function createDueTimer(onDue: () => void): DueTimer {
  let timer: NodeJS.Timeout | null = null;
  let dueAt = Number.POSITIVE_INFINITY;
  /** Several may be due one after the other; each keeps its own time. */
  const later: number[] = [];

  function set(at: number): void {
    if (timer !== null) clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(
      () => {
        timer = null;
        dueAt = Number.POSITIVE_INFINITY;
        onDue();
        const now = performance.now();
        const next = later.filter((time) => time > now).sort((a, b) => a - b);
        later.length = 0;
        const [first, ...rest] = next;
        later.push(...rest);
        if (first !== undefined) set(first);
      },
      Math.max(1, Math.ceil(at - performance.now())),
    );
    timer.unref();
  }

  return {
    arm(inMs) {
      if (inMs > horizonMs) return;
      const at = performance.now() + Math.max(0, inMs);
      if (at < dueAt) {
        if (dueAt !== Number.POSITIVE_INFINITY) later.push(dueAt);
        set(at);
      } else if (later.length < 1_000) later.push(at);
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      later.length = 0;
    },
  };
}
