/**
 * What tests ask for: databases and Redis servers of their own, from those that `global-setup.ts`
 * started. Each asker gives back what it took (`drop`, `stop`, `remove`) in its `afterAll`.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { describe, inject } from "vitest";
import { redisRemedy } from "./redis-server.ts";
import { runSql, templateName } from "./template-database.ts";

export { startPrivatePostgres, type PrivatePostgres } from "./private-postgres.ts";
export { startRedisServer as startPrivateRedis, type RedisServer } from "./redis-server.ts";

export interface FreshDatabase {
  /** Connection string; the migrations have run, the tables are empty. */
  url: string;
  /**
   * Removes it. Sessions that are still open are a leak and fail the suite, except with `force`
   * (for suites that kill processes).
   */
  drop(options?: { force?: boolean }): Promise<void>;
}

/** A database that nobody else sees: a copy of the migrated template, made in some 50 ms. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const admin = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  await runSql(admin, `CREATE DATABASE ${name} TEMPLATE ${templateName}`);
  return {
    url: withDatabase(admin, name),
    drop: async ({ force = false } = {}) => {
      const leaks = force ? [] : await openSessions(admin, name);
      await runSql(admin, `DROP DATABASE ${name} WITH (FORCE)`);
      if (leaks.length > 0) {
        throw new Error(`${leaks.length} database sessions were left open:\n${leaks.join("\n")}`);
      }
    },
  };
}

/** Sessions of the database that stay open; those that were just closed get a moment to go. */
async function openSessions(admin: string, name: string): Promise<string[]> {
  for (let looks = 1; ; looks++) {
    const rows = await runSql<{ session: string }>(
      admin,
      `SELECT format('  %s, %s, last: %s', coalesce(nullif(application_name, ''), 'unnamed'), state, left(query, 200)) AS session
         FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || looks === 20) return rows.map((row) => row.session);
    await delay(50);
  }
}

/** Whether this run has a Redis. */
export function hasRedis(): boolean {
  return inject("redisUrl") !== null;
}

/** The run's Redis, shared by all suites: for those that use keys of their own and never flush. */
export function redisUrl(): string {
  const url = inject("redisUrl");
  if (url === null) throw new Error(redisRemedy);
  return url;
}

/**
 * A numbered database of the run's Redis for this asker alone. Pub/sub channels are shared by all
 * numbers, and FLUSHALL empties all: a suite that minds takes `startPrivateRedis` (30 ms).
 */
export async function freshRedis(): Promise<string> {
  const counter = new Redis(redisUrl());
  try {
    return `${redisUrl()}/${await counter.incr("test:last-database")}`;
  } finally {
    counter.disconnect();
  }
}

/** `describe` for suites that need Redis; without one they are reported as skipped, with the remedy. */
export function describeWithRedis(name: string, suite: () => void): void {
  if (hasRedis()) describe(name, suite);
  else describe.skip(`${name} (${redisRemedy})`, suite);
}

function withDatabase(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}
