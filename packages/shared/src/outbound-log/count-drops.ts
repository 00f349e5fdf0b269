import type { Log } from "../log/log.ts";

/** Why a call is not in the log: too many waited, Postgres does not take it, or its worker ended first. */
export type DropReason = "full" | "refused" | "closing";

/** Between two lines about what was dropped, ms. */
const sayEveryMs = 60_000;

/** Counts what is not in the log of outbound calls, and says so at once and then once a minute. */
export function createDropCount(
  log: Pick<Log, "warn">,
  onDropped?: (count: number, reason: DropReason) => void,
): { add(count: number, reason: DropReason): void; close(): void } {
  const since = new Map<DropReason, number>();
  let timer: NodeJS.Timeout | null = null;

  function say(): void {
    timer = null;
    if (since.size === 0) return;
    for (const [reason, count] of since) {
      log.warn({ count, reason }, "outbound calls are missing in the outbound log");
    }
    since.clear();
    timer = setTimeout(say, sayEveryMs);
    timer.unref();
  }

  return {
    add(count, reason) {
      since.set(reason, (since.get(reason) ?? 0) + count);
      onDropped?.(count, reason);
      if (timer === null) say();
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      say();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
