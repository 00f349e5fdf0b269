import { setTimeout as sleep } from "node:timers/promises";
import { isUnavailable } from "../db/error-class.ts";

export interface UntilAvailableOptions {
  signal?: AbortSignal;
  onError: (error: unknown) => void;
}

/**
 * Does it again, with growing pauses of up to a second, for as long as Postgres is away.
 * @throws any other error, and when the signal aborts
 */
export async function untilAvailable<T>(
  work: () => Promise<T>,
  { signal, onError }: UntilAvailableOptions,
): Promise<T> {
  for (let pauseMs = 50; ; pauseMs = Math.min(1_000, pauseMs * 2)) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      signal?.throwIfAborted();
      onError(error);
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
    }
  }
}
