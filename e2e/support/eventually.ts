import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks again and again until the answer is good.
 *
 * @param what ends the sentence "did not happen within …: what"
 * @param ask null or undefined: not yet. What it throws is no answer either, and is told when time is up
 * @throws Error when the deadline passes
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | null | undefined> | T | null | undefined,
  { withinMs = 10_000, everyMs = 25 }: { withinMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`This did not happen within ${withinMs} ms: ${what}`, { cause });
    }
    await delay(everyMs);
  }
}
