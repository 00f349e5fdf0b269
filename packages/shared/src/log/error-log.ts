import { describeError } from "./describe-error.ts";
import type { Log } from "./log.ts";

/** The same error is logged once in this time, ms: while Postgres is away everything that asks it says so. */
const quietMs = 5_000;
const mostKinds = 100;

/**
 * Logs what fails in the background; of the same error only the first in a while, with how many came since.
 * @param message what failed, for whoever reads the log
 */
export function createErrorLog(log: Log, message: string): (error: unknown) => void {
  const seen = new Map<string, { loggedAt: number; since: number }>();
  return (error) => {
    const described = describeError(error);
    const kind = `${described.name} ${described.code ?? ""} ${described.message}`;
    const now = performance.now();
    const before = seen.get(kind);
    if (before !== undefined && now - before.loggedAt < quietMs) {
      before.since += 1;
      return;
    }
    if (seen.size >= mostKinds) seen.clear();
    seen.set(kind, { loggedAt: now, since: 0 });
    const count = before?.since ?? 0;
    log.warn({ err: error, ...(count > 0 ? { count } : {}) }, message);
  };
}
