import { unavailable } from "./unavailable.ts";

/**
 * Gives up waiting after a time; the work itself goes on, so this is for work whose outcome is safe to not know.
 * @throws Refusal `unavailable` where the time is up
 */
export async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unavailable()), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
