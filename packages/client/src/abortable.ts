/** A signal that follows the caller's own and also fires when its time is up. */
export interface CutOff {
  readonly signal: AbortSignal;
  /** Whether it was the time, and not the caller, that ended it. */
  timedOut(): boolean;
  /** Lets go of the timer and of the caller's signal. */
  release(): void;
}

/**
 * Joins a caller's signal and a time limit. `AbortSignal.any` would do it too, but keeps a trace of
 * every join on a signal that lives long.
 *
 * @param ms milliseconds; Infinity: only the caller's signal counts
 */
export function cutOff(signal: AbortSignal | undefined, ms: number): CutOff {
  const controller = new AbortController();
  let timedOut = false;
  const follow = () => controller.abort(signal?.reason);
  if (signal?.aborted) follow();
  else signal?.addEventListener("abort", follow, { once: true });
  const timer =
    ms <= longestTimerMs
      ? setTimeout(() => {
          timedOut = !controller.signal.aborted;
          controller.abort(new DOMException("The time is up", "TimeoutError"));
        }, ms)
      : undefined;
  return {
    signal: controller.signal,
    timedOut: () => timedOut,
    release: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", follow);
    },
  };
}

/** Above this, timers fire at once: 2³¹ − 1 ms, 24 days. */
const longestTimerMs = 2_147_483_647;

/**
 * Waits.
 *
 * @param ms milliseconds
 * @throws the signal's reason, when it is aborted first
 */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const limit = cutOff(signal, Math.min(Math.max(0, ms), longestTimerMs));
  await new Promise<void>((resolve) => {
    if (limit.signal.aborted) resolve();
    limit.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  limit.release();
  signal?.throwIfAborted();
}
