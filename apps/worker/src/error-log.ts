import { describeError } from "@tl-engine/shared/log/describe-error.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";

/** The same error is logged once in this time, ms: while Postgres is away everything that asks it says so. */
const quietMs = 5_000;
const mostKinds = 100;

/** Logs what fails beside an execution; of the same error only the first in a while, with how many came since. */
export function createErrorLog(log: Log): (error: unknown) => void {
  const seen = new Map<string, { loggedAt: number; since: number }>();
  return (error) => {
    const { name, message, code } = describeError(error);
    const kind = `${name} ${code ?? ""} ${message}`;
    const now = performance.now();
    const before = seen.get(kind);
    if (before !== undefined && now - before.loggedAt < quietMs) {
      before.since += 1;
      return;
    }
    if (seen.size >= mostKinds) seen.clear();
    seen.set(kind, { loggedAt: now, since: 0 });
    const count = before?.since ?? 0;
    log.warn(
      { err: error, ...(count > 0 ? { count } : {}) },
      "something failed beside an execution",
    );
  };
}
