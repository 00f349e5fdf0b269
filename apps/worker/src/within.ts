/** Waits for work to end, well or badly, but no longer than `ms`, or until `signal` aborts. */
export async function within(
  work: Promise<unknown>,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    // oxlint-disable-next-line promise/no-callback-in-promise -- both ways out are the same here
    work.then(done, done);
  });
}
