import type pg from "pg";
import { openPostgresSignals } from "./postgres-signals.ts";
import { openRedisSignals } from "./redis-signals.ts";
import type { Signals } from "./signals.ts";

export interface OpenSignalsOptions {
  /** null: signals go over Postgres. */
  redisUrl: string | null;
  databaseUrl: string;
  pool: pg.Pool;
  onError: (error: Error) => void;
}

/** Opens the signals on Redis, or on Postgres where no Redis is configured. */
export function openSignals({ redisUrl, databaseUrl, pool, onError }: OpenSignalsOptions): Signals {
  return redisUrl === null
    ? openPostgresSignals(databaseUrl, pool, onError)
    : openRedisSignals(redisUrl, onError);
}
