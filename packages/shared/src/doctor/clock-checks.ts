import type { Redis } from "ioredis";
import type pg from "pg";
import { error, ok, warning, type Finding } from "./finding.ts";

/** Above the first a warning, above the second an error, ms: tokens are judged with a tolerance of 5 s. */
const noticeableMs = 1_000;
const wrongMs = 5_000;

/** How far another clock is from this machine's. */
export interface ClockOffset {
  whose: "PostgreSQL" | "Redis";
  /** Positive: this machine is behind. */
  offsetMs: number;
  /** Half of the time that the question took: the offset is exact to this, ms. */
  uncertaintyMs: number;
}

/** @throws where Postgres cannot be reached */
export function postgresClock(pool: pg.Pool): Promise<ClockOffset> {
  return measure("PostgreSQL", async () => {
    const { rows } = await pool.query<{ ms: number }>(
      "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms",
    );
    return rows[0]?.ms ?? Number.NaN;
  });
}

/** @throws where Redis cannot be reached */
export function redisClock(redis: Redis): Promise<ClockOffset> {
  return measure("Redis", async () => {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1000 + Number(micros) / 1000;
  });
}

/** The best of three: the shortest question is the most exact one. */
async function measure(
  whose: ClockOffset["whose"],
  ask: () => Promise<number>,
): Promise<ClockOffset> {
  let best: ClockOffset | null = null;
  for (let tries = 0; tries < 3; tries++) {
    const askedAt = Date.now();
    const since = performance.now();
    const theirs = await ask();
    const uncertaintyMs = (performance.now() - since) / 2;
    const offsetMs = theirs - (askedAt + uncertaintyMs);
    if (best === null || uncertaintyMs < best.uncertaintyMs) {
      best = { whose, offsetMs, uncertaintyMs };
    }
  }
  if (best === null) throw new Error(`${whose} said no time`);
  return best;
}

/**
 * What a difference means. Deadlines, leases and dues are by Postgres' clock and rate windows by Redis', so that none of
 * them suffers; tokens' expiry, the times in new ids, and logs are by this machine's.
 */
export function judgeClock({ whose, offsetMs, uncertaintyMs }: ClockOffset): Finding {
  const id = `clock.${whose === "Redis" ? "redis" : "postgres"}`;
  const figure = `${words(offsetMs)} (exact to ${words(uncertaintyMs)})`;
  const certainMs = Math.abs(offsetMs) - uncertaintyMs;
  if (certainMs <= noticeableMs)
    return ok(id, `This machine's clock agrees with ${whose}'s`, figure);
  const where = offsetMs > 0 ? "behind" : "ahead of";
  const title = `This machine's clock is ${words(offsetMs)} ${where} ${whose}'s`;
  const detail = `${figure}; tokens are refused too early or too late, and ids carry the wrong time`;
  const remedy =
    "sudo timedatectl set-ntp true   # on both machines; then:\ntimedatectl timesync-status || chronyc tracking";
  if (certainMs <= wrongMs) return warning(id, title, detail, remedy);
  return {
    ...error(id, title, detail, remedy),
    degraded: `clock: this machine is ${words(offsetMs)} ${where} ${whose}`,
  };
}

function words(ms: number): string {
  const size = Math.abs(ms);
  return size < 1_000 ? `${size.toFixed(1)} ms` : `${(size / 1_000).toFixed(1)} s`;
}
