import { once } from "node:events";
import { Redis } from "ioredis";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  describeWithRedis,
  freshRedis,
  startPrivateRedis,
  type RedisServer,
} from "../../../../test/services.ts";
import type { Fields } from "../log/log.ts";
import { impatientRedisOptions } from "../redis/redis-options.ts";
import { testLimiterPromises, type Backend } from "./limiter-promises.ts";
import { openRateLimiter } from "./open-rate-limiter.ts";
import { counterName } from "./rate-limiter.ts";
import { createRedisRateLimiter } from "./redis-rate-limiter.ts";
import { takeFromWindow } from "./take-from-window.ts";

describeWithRedis("the limiter in Redis", () => {
  const connections: Redis[] = [];
  let url: string;
  let redis: Redis;

  async function connect(): Promise<Redis> {
    const connection = new Redis(url, { ...impatientRedisOptions("test"), commandTimeout: 10_000 });
    connections.push(connection);
    await once(connection, "ready");
    return connection;
  }

  const spare: Redis[] = [];
  beforeAll(async () => {
    url = await freshRedis();
    redis = await connect();
    spare.push(...(await Promise.all([connect(), connect()])));
  });
  afterAll(() => {
    for (const connection of connections) connection.disconnect();
  });

  let opened = 0;
  const backend: Backend = {
    open: (windowSeconds) => createRedisRateLimiter(spare[opened++ % 2] as Redis, windowSeconds),
    async leftMs(name) {
      const left = await redis.pttl(name);
      if (left === -1) throw new Error(`${name} never ends`);
      return left === -2 ? null : left;
    },
    used: async (name) => Number((await redis.get(name)) ?? 0),
    endWindow: async (name) => void (await redis.del(name)),
  };
  testLimiterPromises(() => backend);

  test("no counter is without an end, also one that somebody else left without it", async () => {
    await redis.set("engine:ratelimit:key:forgotten", "3");
    const limiter = backend.open(60);
    const decision = await limiter.take("key:forgotten", "requests", 10);
    expect(decision.remaining).toBe(6);
    await redis.set("engine:ratelimit:key:full", "10");
    expect(await limiter.take("key:full", "requests", 10)).toMatchObject({ allowed: false });
    await limiter.take("key:too-much", "requests", 10, 11);
    const names = await redis.keys("engine:ratelimit:*");
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) expect(await backend.leftMs(name)).toBeGreaterThan(0);
  });

  test("a Redis that has forgotten its scripts is told them again", async () => {
    const limiter = backend.open(60);
    await limiter.take("key:script", "requests", 10);
    await redis.script("FLUSH");
    expect(await limiter.take("key:script", "requests", 10)).toMatchObject({ remaining: 8 });
  });

  test("the counters are named after the caller", async () => {
    expect(counterName("key:abc", "requests")).toBe("engine:ratelimit:key:abc");
    expect(counterName("plane", "reads")).toBe("engine:ratelimit:plane:read");
  });
});

describeWithRedis("the limiter while Redis is away", () => {
  const servers: RedisServer[] = [];
  const closers: (() => unknown)[] = [];
  const pool = new pg.Pool({ connectionString: "postgres://127.0.0.1:1/none" });

  afterAll(async () => {
    for (const close of closers) await close();
    for (const server of servers) await server.kill();
    await pool.end();
  });

  /** A process's limiter, with what it told about itself and a way to wait for the next word. */
  function openProcess(url: string) {
    const said: string[] = [];
    const gauges: number[] = [];
    let wake: () => void = () => undefined;
    const say = (_: Fields, message: string): void => {
      said.push(message);
      wake();
    };
    const redis = new Redis(url, impatientRedisOptions("test"));
    redis.on("error", () => undefined);
    const limiter = openRateLimiter({
      redis,
      pool,
      windowSeconds: 60,
      log: { info: say, warn: say },
      localGauge: { set: (value) => void gauges.push(value) },
      now: Date.now,
    });
    closers.push(
      () => limiter.close(),
      () => redis.disconnect(),
    );
    const nextWord = () => new Promise<void>((resolve) => (wake = resolve));
    return { limiter, redis, said, gauges, nextWord };
  }

  async function startRedis(...args: string[]): Promise<RedisServer> {
    const server = await startPrivateRedis({ args });
    servers.push(server);
    return server;
  }

  test("each process counts alone and says so; with Redis back the count is shared again", async () => {
    const server = await startRedis();
    const [one, two] = [openProcess(server.url), openProcess(server.url)];
    expect((await one.limiter.take("key:a", "requests", 10)).remaining).toBe(9);
    expect((await two.limiter.take("key:a", "requests", 10)).remaining).toBe(8);
    expect([one.gauges, one.said]).toEqual([[0, 0].slice(0, one.gauges.length), []]);

    await server.kill();
    const alone = await Promise.all(
      [one, two, one, two].map(({ limiter }) => limiter.take("key:a", "requests", 10)),
    );
    expect(alone.map((decision) => decision.remaining)).toEqual([9, 9, 8, 8]);
    expect(one.gauges.at(-1)).toBe(1);
    expect(one.said).toEqual([expect.stringContaining("counted in this process alone")]);

    const back = Promise.all([one.nextWord(), two.nextWord()]);
    await server.start();
    await back;
    expect(one.gauges.at(-1)).toBe(0);
    expect(one.said.at(-1)).toContain("shared again");
    expect((await one.limiter.take("key:a", "requests", 10)).remaining).toBe(9);
    expect((await two.limiter.take("key:a", "requests", 10)).remaining).toBe(8);
  });

  test("a Redis that doesn't answer costs one short wait, not one for each request", async () => {
    const server = await startRedis();
    const { limiter, nextWord } = openProcess(server.url);
    await limiter.take("key:a", "requests", 1000);
    server.pause();
    const started = performance.now();
    expect(await limiter.take("key:a", "requests", 1000)).toMatchObject({ allowed: true });
    for (let at = 0; at < 100; at++) await limiter.take("key:a", "requests", 1000);
    // Bounded by the command's patience of 250 ms; one each would take 25 s.
    expect(performance.now() - started).toBeLessThan(5000);
    const back = nextWord();
    server.resume();
    await back;
    expect(await limiter.take("key:a", "requests", 1000)).toMatchObject({ allowed: true });
  });

  test("a full Redis counts as away until it can write again", async () => {
    const server = await startRedis();
    const { limiter, redis, said, nextWord } = openProcess(server.url);
    await limiter.take("key:a", "requests", 10);
    await redis.config("SET", "maxmemory", "1");
    expect((await limiter.take("key:a", "requests", 10)).remaining).toBe(9);
    // A PING would be answered; what asks whether Redis can count again is refused like a request.
    const probe = { name: "engine:ratelimit:probe", limit: 1, cost: 1, count: 1 };
    await expect(takeFromWindow(redis, 1000, probe)).rejects.toThrow("OOM");
    expect(said).toHaveLength(1);
    const back = nextWord();
    await redis.config("SET", "maxmemory", "0");
    await back;
    expect((await limiter.take("key:a", "requests", 10)).remaining).toBe(8);
  });

  test("an address where nobody answers: the process counts alone from the first request", async () => {
    const { limiter, said } = openProcess("redis://127.0.0.1:1");
    expect((await limiter.take("key:a", "requests", 10)).remaining).toBe(9);
    expect((await limiter.take("key:a", "requests", 10)).remaining).toBe(8);
    expect(said).toHaveLength(1);
  });
});

describe("without Redis", () => {
  test("the limiter is the one in Postgres", async () => {
    const pool = new pg.Pool({ connectionString: "postgres://127.0.0.1:1/none" });
    const silent = { info: () => undefined, warn: () => undefined };
    const limiter = openRateLimiter({
      redis: null,
      pool,
      windowSeconds: 60,
      log: silent,
      localGauge: { set: () => undefined },
      now: Date.now,
    });
    await expect(limiter.take("key:a", "requests", 10)).rejects.toThrow();
    await limiter.close();
    await pool.end();
  });
});
