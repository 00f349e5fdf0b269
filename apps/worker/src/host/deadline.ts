import { performance } from "node:perf_hooks";

/** The longest delay that setTimeout takes; above it the timer would fire at once. */
const longestMs = 2 ** 31 - 1;

export interface Deadline {
  /** Moves it: from now on it is due in `ms`, unless it was due earlier. */
  shorten(ms: number): void;
  /** When it is due, by `performance.now()`. */
  readonly dueAt: number;
  cancel(): void;
}

/** Calls `due` once, in `ms`; days are fine. */
export function startDeadline(ms: number, due: () => void): Deadline {
  let dueAt = performance.now() + ms;
  let timer: NodeJS.Timeout;

  function arm(): void {
    const left = dueAt - performance.now();
    if (left > longestMs) timer = setTimeout(arm, longestMs);
    else timer = setTimeout(due, Math.max(0, left));
  }
  arm();

  return {
    shorten(newMs) {
      const earlier = performance.now() + newMs;
      if (earlier >= dueAt) return;
      dueAt = earlier;
      clearTimeout(timer);
      arm();
    },
    get dueAt() {
      return dueAt;
    },
    cancel: () => clearTimeout(timer),
  };
}
