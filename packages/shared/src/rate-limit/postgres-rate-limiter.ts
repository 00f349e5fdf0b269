import type pg from "pg";
import { gatherAsks } from "./gather-asks.ts";
import { counterName, type RateLimiter } from "./rate-limiter.ts";
import { sweepCounters } from "./sweep-counters.ts";
import type { WindowAnswer, WindowAsk } from "./window-ask.ts";

const maxAsks = 200;

/**
 * One statement for many callers. The names are sorted, so that two processes never wait for one another
 * in a circle; a row that is waited for is seen as the other process left it, so that no request is
 * counted on an old number. `now()` is the statement's: all parts judge the window by the same moment.
 */
const statement = `
WITH asks AS (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS a (name, max, cost, count)
)
INSERT INTO rate_limits AS kept (name, used, granted, expires_at)
SELECT name, least(count, max / cost) * cost, least(count, max / cost), now() + $5::float8 * interval '1 ms'
FROM asks ORDER BY name
ON CONFLICT (name) DO UPDATE SET (used, granted, expires_at) = (
  SELECT
    CASE WHEN kept.expires_at <= now() THEN 0 ELSE kept.used END + fits.granted * a.cost,
    fits.granted,
    CASE WHEN kept.expires_at <= now() THEN excluded.expires_at ELSE least(kept.expires_at, excluded.expires_at) END
  FROM asks AS a
  CROSS JOIN LATERAL (
    SELECT greatest(0, least(a.count,
      (a.max - CASE WHEN kept.expires_at <= now() THEN 0 ELSE kept.used END) / a.cost)) AS granted
  ) AS fits
  WHERE a.name = kept.name
)
RETURNING name, used, granted,
  greatest(1, extract(epoch FROM expires_at - now()) * 1000)::float8 AS left_ms,
  (extract(epoch FROM expires_at) * 1000)::float8 AS ends_at_ms`;

interface Row {
  name: string;
  used: string;
  granted: string;
  left_ms: number;
  ends_at_ms: number;
}

/** Counts in Postgres, shared by all API processes, where there is no Redis. */
export function createPostgresRateLimiter(pool: pg.Pool, windowSeconds: number): RateLimiter {
  const sweep = sweepCounters(pool);
  const take = gatherAsks(async (asks) => {
    const answers = await count(pool, windowSeconds * 1000, asks);
    sweep.maybe();
    return answers;
  }, maxAsks);
  return {
    take: (callerId, budget, limit, cost = 1) => take(counterName(callerId, budget), limit, cost),
    close: () => sweep.finished(),
  };
}

async function count(
  pool: pg.Pool,
  windowMs: number,
  asks: readonly WindowAsk[],
): Promise<WindowAnswer[]> {
  const { rows } = await pool.query<Row>({
    name: "take_from_window",
    text: statement,
    values: [
      asks.map((ask) => ask.name),
      asks.map((ask) => ask.limit),
      asks.map((ask) => ask.cost),
      asks.map((ask) => ask.count),
      windowMs,
    ],
  });
  const byName = new Map(rows.map((row) => [row.name, row]));
  return asks.map((ask) => {
    const row = byName.get(ask.name);
    if (row === undefined)
      throw new Error("Postgres counted one caller less than it was asked to.");
    const granted = Number(row.granted);
    return {
      usedBefore: Number(row.used) - granted * ask.cost,
      granted,
      leftMs: row.left_ms,
      endsAtMs: row.ends_at_ms,
    };
  });
}
