import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { describeWithRedis, freshDatabase, startPrivateRedis } from "../../../../test/services.ts";
import { loadConfig } from "../config/config.ts";
import { closeDatabase, openDatabase } from "../db/database.ts";
import { createLog } from "../log/log.ts";
import { impatientRedisOptions } from "../redis/redis-options.ts";
import { openRedis } from "../redis/open-redis.ts";
import { watchSurroundings } from "./watch-surroundings.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

interface Line {
  level: string;
  finding: string;
  remedy: string;
  msg: string;
}

async function watch(redisUrl: string, env: Record<string, string> = {}) {
  const database = await freshDatabase();
  const db = openDatabase({
    url: database.url,
    max: 3,
    applicationName: "test",
    onError: () => undefined,
  });
  const redis = openRedis(redisUrl, impatientRedisOptions("test"), () => undefined);
  const lines: Line[] = [];
  const log = createLog({
    level: "info",
    app: "api",
    destination: { write: (line: string) => void lines.push(JSON.parse(line) as Line) },
  });
  const unfit: string[] = [];
  const watched = watchSurroundings({
    config: loadConfig(env),
    pool: db.pool,
    redis,
    log,
    onUnfit: ({ id }) => void unfit.push(id),
    everyMs: 30,
  });
  cleanUps.push(
    () => database.drop(),
    () => closeDatabase(db),
    () => redis.disconnect(),
    () => watched.stop(),
  );
  const told = (finding: string) => lines.filter((line) => line.finding === finding);
  return { watched, told, unfit };
}

describeWithRedis("what surrounds a process", () => {
  test("each finding is told once, with what mends it, and again when it comes back; what degrades is shown until it is mended", async () => {
    const server = await startPrivateRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
    const admin = new Redis(server.url);
    cleanUps.push(
      () => server.kill(),
      () => admin.disconnect(),
    );
    const { watched, told, unfit } = await watch(server.url, { TL_CORS_ORIGINS: "*" });
    await expect.poll(() => told("redis.eviction").length).toBe(1);
    expect(told("redis.eviction")[0]).toMatchObject({
      level: "error",
      remedy: expect.stringContaining("noeviction"),
    });
    expect(told("redis.aof")[0]?.level).toBe("warn");
    expect(told("network.cors")).toHaveLength(1);
    expect(watched.degraded()).toEqual([]);

    const used = Number(/used_memory:(\d+)/.exec(await admin.info("memory"))?.[1]);
    await admin.config("SET", "maxmemory-policy", "noeviction");
    await admin.config("SET", "maxmemory", Math.round(used * 1.01));
    await expect
      .poll(() => watched.degraded())
      .toEqual([expect.stringMatching(/^redis: \d+ % of its memory is used$/)]);
    await admin.config("SET", "maxmemory", 0);
    await expect.poll(() => watched.degraded()).toEqual([]);
    await admin.config("SET", "maxmemory-policy", "volatile-lru");
    await expect.poll(() => told("redis.eviction").length).toBe(2);
    expect([told("redis.aof").length, told("network.cors").length, unfit]).toEqual([1, 1, []]);
  });

  test("with Redis away it says nothing and ends nothing, and finds it when it is back", async () => {
    const server = await startPrivateRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
    cleanUps.push(() => server.kill());
    await server.stop();
    const { watched, told } = await watch(server.url);
    await expect.poll(() => told("postgres.fsync").length).toBe(1);
    expect([watched.degraded(), told("redis.eviction")]).toEqual([[], []]);
    await server.start();
    await expect.poll(() => told("redis.eviction").length, { timeout: 10_000 }).toBe(1);
  });

  test("a queue that can never be used", async () => {
    const server = await startPrivateRedis({
      args: [
        "--cluster-enabled",
        "yes",
        "--databases",
        "1",
        "--dir",
        "/tmp",
        "--cluster-config-file",
        `tl-w-${process.pid}.conf`,
      ],
    });
    cleanUps.push(() => server.kill());
    const { unfit } = await watch(server.url);
    await expect.poll(() => unfit[0]).toBe("redis.cluster");
  });
});
