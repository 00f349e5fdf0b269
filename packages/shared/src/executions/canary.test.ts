import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import {
  freshDatabase,
  hasRedis,
  startPrivatePostgres,
  startPrivateRedis,
} from "../../../../test/services.ts";
import { migrate } from "../db/migrate.ts";
import {
  freshEngineId,
  listenForDeliveries,
  newExecution,
  openStack,
  type Stack,
} from "../testing/stack.ts";
import { createPostgresCanary, createRedisCanary, type Canary } from "./canary.ts";
import { putBackAfterLoss } from "./put-back.ts";

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function turn(stack: Stack, canary: Canary, tick: number): Promise<number> {
  return putBackAfterLoss(stack.db.pool, stack.enqueuer, canary, { tick, sung: tick - 1 });
}

test.skipIf(!hasRedis())(
  "a Redis that comes back with the number and without what came after it",
  async () => {
    const database = await freshDatabase();
    cleanUps.push(() => database.drop());
    const folder = await mkdtemp(join(tmpdir(), "tl-redis-"));
    cleanUps.push(() => rm(folder, { recursive: true }));
    const server = await startPrivateRedis({ args: ["--dir", folder] });
    cleanUps.push(() => server.stop());
    const stack = await openStack({ databaseUrl: database.url, redisUrl: server.url });
    cleanUps.push(() => stack.close());
    const redis = new Redis(server.url);
    redis.on("error", () => {});
    cleanUps.push(async () => redis.disconnect());
    const canary = createRedisCanary(redis);
    expect(await turn(stack, canary, 1)).toBe(0);
    expect(await turn(stack, canary, 2)).toBe(0);
    await redis.save();
    const engineId = freshEngineId();
    await stack.submitter.submit(newExecution({ engineId }));
    await expect.poll(() => stack.queue.depth(engineId, 1)).toBe(1);
    expect(await turn(stack, canary, 3)).toBe(0);
    await redis.save();
    await stack.submitter.submit(newExecution({ engineId }));
    await expect.poll(() => stack.queue.depth(engineId, 1)).toBe(2);
    await server.kill();
    await server.start();
    await expect.poll(() => stack.queue.depth(engineId, 1).catch(() => null)).toBe(1);
    expect(await turn(stack, canary, 4)).toBe(2);
    expect(await turn(stack, canary, 5)).toBe(0);
  },
);

test.skipIf(!hasRedis())(
  "a Redis that is emptied while its number is written, and again while it is refilled",
  async () => {
    const database = await freshDatabase();
    cleanUps.push(() => database.drop());
    const server = await startPrivateRedis();
    cleanUps.push(() => server.stop());
    const stack = await openStack({ databaseUrl: database.url, redisUrl: server.url });
    cleanUps.push(() => stack.close());
    const redis = new Redis(server.url);
    cleanUps.push(async () => redis.disconnect());
    const canary = createRedisCanary(redis);
    await turn(stack, canary, 1);
    const engineId = freshEngineId();
    await stack.submitter.submit(newExecution({ engineId }));
    await expect.poll(() => stack.queue.depth(engineId, 1)).toBe(1);
    const emptied: Canary = {
      read: () => canary.read(),
      async write(tick) {
        if (tick > 0) await redis.flushall();
        await canary.write(tick);
      },
    };
    await expect(turn(stack, emptied, 2)).rejects.toThrow();
    // The next one finds that it is empty, and it is emptied once more under its hands.
    await expect(
      putBackAfterLoss(stack.db.pool, stack.enqueuer, emptied, { tick: 3, sung: 1 }),
    ).rejects.toThrow();
    const refill = { tick: 4, sung: 1 };
    expect(await putBackAfterLoss(stack.db.pool, stack.enqueuer, canary, refill)).toBe(1);
    expect(await stack.queue.depth(engineId, 1)).toBe(1);
  },
);

test("a Postgres that crashed has kept the record and lost the end of the queue", async () => {
  const server = await startPrivatePostgres();
  cleanUps.push(() => server.remove());
  await migrate(server.url);
  const stack = await openStack({ databaseUrl: server.url, redisUrl: null });
  cleanUps.push(() => stack.close());
  const canary = createPostgresCanary(stack.db.pool);
  expect(await turn(stack, canary, 1)).toBe(0);
  const engineId = freshEngineId();
  const execution = newExecution({ engineId });
  await stack.submitter.submit(execution);
  await expect.poll(() => stack.queue.depth(engineId, 1)).toBe(1);
  expect(await turn(stack, canary, 2)).toBe(0);
  await server.kill();
  await server.start();
  await expect.poll(() => turn(stack, canary, 3).catch(() => null), { timeout: 10_000 }).toBe(1);
  expect(await turn(stack, canary, 4)).toBe(0);
  const deliveries = listenForDeliveries(stack.queue, engineId);
  expect((await deliveries.next(1))[0]).toEqual([execution.id, 0]);
  await deliveries.close();
});
