import { rmSync } from "node:fs";
import { startEmbeddedPostgres } from "@tl-engine/local/embedded-postgres.ts";
import type { TestProject } from "vitest/node";
import { makeRunFolder, sweepLeftBehind } from "./left-behind.ts";
import {
  RedisMissingError,
  redisRemedy,
  startRedisServer,
  type RedisServer,
} from "./redis-server.ts";
import { makeTemplate } from "./template-database.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of the run's PostgreSQL, database `postgres`. */
    postgresUrl: string;
    /** Null without `redis-server`: the Redis suites are skipped. */
    redisUrl: string | null;
  }
}

/** Brings up what the tests need, once per run: one PostgreSQL with the migrated template, one Redis. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  sweepLeftBehind();
  const folder = makeRunFolder();
  const running: (() => Promise<void>)[] = [];
  const teardown = async (): Promise<void> => {
    await Promise.all(running.map((stop) => stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const redis = await redisIfThere();
    if (redis !== null) running.push(redis.kill);
    const postgres = await startEmbeddedPostgres({ dataDir: folder, fast: true });
    running.push(postgres.stop);
    await makeTemplate(postgres.connectionString);
    project.provide("postgresUrl", postgres.connectionString("postgres"));
    project.provide("redisUrl", redis?.url ?? null);
  } catch (error) {
    // vitest calls no teardown of a setup that failed, and waits for what it left running.
    await teardown();
    throw error;
  }
  return teardown;
}

async function redisIfThere(): Promise<RedisServer | null> {
  try {
    return await startRedisServer();
  } catch (error) {
    if (!(error instanceof RedisMissingError)) throw error;
    // Where the result counts, a skipped half would look like a pass.
    if (process.env["CI"] === "true")
      throw new Error(`CI=true runs everything, and ${redisRemedy}`, { cause: error });
    console.warn(`\nThe suites that need Redis are skipped. ${redisRemedy}\n`);
    return null;
  }
}
