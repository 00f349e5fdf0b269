import { setTimeout as delay } from "node:timers/promises";

export interface ReadyProbe {
  url: string;
  headers?: Record<string, string>;
  /** Whether this answer is the one waited for. */
  accepts: (response: Response) => boolean | Promise<boolean>;
}

/**
 * Asks again and again until the answer is the one waited for.
 *
 * @param giveUp called before each try; throws when waiting has become useless
 * @returns false when `timeoutMs` is over
 */
export async function waitUntilReady(
  { url, headers = {}, accepts }: ReadyProbe,
  timeoutMs: number,
  giveUp: () => void,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    giveUp();
    try {
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(2_000) });
      const accepted = await accepts(response);
      if (!response.bodyUsed) await response.body?.cancel();
      if (accepted) return true;
    } catch {
      // Nobody listens yet.
    }
    await delay(100);
  }
  return false;
}
