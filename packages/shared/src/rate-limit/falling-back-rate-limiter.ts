import type { RateLimiter } from "./rate-limiter.ts";

export interface FallingBackOptions {
  readonly shared: RateLimiter;
  readonly local: RateLimiter;
  /** Resolves when the shared counter can count again; asked while it can't. */
  readonly probe: () => Promise<unknown>;
  readonly probeEveryMs: number;
  /** Called at each change, and once at the start. */
  readonly onChange: (counting: "shared" | "local", reason: Error | null) => void;
}

/**
 * Counts in the shared counter, and in this process while that is away: submits go on. A request pays for
 * the absence at most once (the shared counter's own patience); then all go to the local one until a probe
 * beside the requests has succeeded.
 */
export function createFallingBackRateLimiter(options: FallingBackOptions): RateLimiter {
  const { shared, local, probe, probeEveryMs, onChange } = options;
  let counting: "shared" | "local" = "shared";
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  onChange(counting, null);

  function becomeLocal(reason: Error): void {
    if (counting === "local" || closed) return;
    counting = "local";
    onChange(counting, reason);
    armProbe();
  }

  function armProbe(): void {
    timer = setTimeout(() => void tryShared(), probeEveryMs);
    timer.unref();
  }

  async function tryShared(): Promise<void> {
    const back = await probe().then(
      () => true,
      () => false,
    );
    if (closed) return;
    if (!back) return armProbe();
    counting = "shared";
    onChange(counting, null);
  }

  return {
    async take(...request) {
      if (counting === "local") return local.take(...request);
      try {
        return await shared.take(...request);
      } catch (error) {
        becomeLocal(error instanceof Error ? error : new Error("the shared counter failed"));
        return local.take(...request);
      }
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await Promise.all([shared.close(), local.close()]);
    },
  };
}
