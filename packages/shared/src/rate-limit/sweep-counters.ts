import type pg from "pg";

const everyMs = 60_000;

/** Front ends' callers come and go, so the counters of windows that ended are removed, a few at a time. */
const statement = `
DELETE FROM rate_limits WHERE name IN (
  SELECT name FROM rate_limits WHERE expires_at < now() - interval '1 minute'
  ORDER BY expires_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)`;

/** Sweeps beside the requests, at most once a minute in each process, and never fails one. */
export function sweepCounters(pool: pg.Pool): { maybe(): void; finished(): Promise<void> } {
  let sweptAt = -Infinity;
  let sweeping: Promise<unknown> = Promise.resolve();
  return {
    maybe() {
      if (performance.now() - sweptAt < everyMs) return;
      sweptAt = performance.now();
      // What stays is swept next time; Postgres' absence shows in the requests themselves.
      sweeping = pool.query(statement).catch(() => undefined);
    },
    async finished() {
      await sweeping;
    },
  };
}
