import { afterEach, describe, expect, test } from "vitest";
import { freshDatabase, hasRedis, startPrivateRedis } from "../../../../test/services.ts";
import { silencing } from "../testing/silencing.ts";
import { freshEngineId, listenForDeliveries } from "../testing/stack.ts";
import { openQueue } from "./open-queue.ts";
import type { Queue } from "./queue.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const open = (redisUrl: string | null, databaseUrl: string): Queue => {
  const queue = openQueue({
    redisUrl,
    databaseUrl,
    lockMs: 15_000,
    consumed: 1,
    onError: () => undefined,
  });
  cleanUps.push(() => queue.close());
  return queue;
};

describe("connections that were cut in silence", () => {
  test("a statement of the queue on Postgres is given up", async () => {
    const database = await freshDatabase();
    cleanUps.push(() => database.drop({ force: true }));
    const way = await silencing(database.url);
    cleanUps.push(() => way.close());
    const queue = open(null, way.url);
    expect(await queue.depth("echo", 1)).toBe(0);
    expect(way.silence(() => true)).toBeGreaterThan(0);
    way.silenceNoMore();
    await expect(queue.depth("echo", 1)).rejects.toThrow(/timeout/);
    // The next one has another connection.
    expect(await queue.depth("echo", 1)).toBe(0);
  });

  test.skipIf(!hasRedis())(
    "a worker's command at Redis is sent again over another one",
    async () => {
      const redis = await startPrivateRedis();
      cleanUps.push(() => redis.kill());
      const way = await silencing(redis.url);
      cleanUps.push(() => way.close());
      const nowhere = "postgres://127.0.0.1:1/none";
      const worker = open(way.url, nowhere);
      const others = open(redis.url, nowhere);
      const engineId = freshEngineId();
      const mine = listenForDeliveries(worker, engineId);
      const deliver = (n: number) =>
        others.enqueue([
          {
            engineId,
            version: 1,
            priority: "normal",
            items: [[`00000000-0000-7000-8000-00000000000${n}`, n]],
            perJob: 1,
          },
        ]);
      await expect
        .poll(() =>
          others.health().then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
      await deliver(1);
      await mine.next(1);
      // All but the one that waits for the next job.
      const silent = way.silence(
        (sent) => sent.includes("\r\ntl-worker\r\n") && !sent.includes("bzpopmin"),
      );
      expect(silent).toBeGreaterThan(0);
      way.silenceNoMore();
      await deliver(2);
      expect(await mine.next(1)).toHaveLength(1);
      await mine.close();
    },
  );
});
