import { setTimeout as delay } from "node:timers/promises";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import { silencing, type Silencing } from "@tl-engine/shared/testing/silencing.ts";
import { newExecution, openStack, type Stack } from "@tl-engine/shared/testing/stack.ts";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  describeWithRedis,
  startPrivatePostgres,
  startPrivateRedis,
  type PrivatePostgres,
  type RedisServer,
} from "../../../test/services.ts";
import type { RunningWorker } from "./start-worker.ts";
import { startTestWorker } from "./testing/running-worker.ts";

/** Production has 30 s and 5 s. */
const liveness = { limitMs: 1_500, everyMs: 150 };
/** In this time a worker that could be blamed would have been. */
const longMs = 3 * liveness.limitMs;

describeWithRedis("a worker that is watched", () => {
  let postgres: PrivatePostgres;
  let redis: RedisServer;
  let way: Silencing;
  let stack: Stack;
  let worker: RunningWorker;
  let admin: Redis;
  const stuck: string[] = [];

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPrivatePostgres(), startPrivateRedis()]);
    await migrate(postgres.url);
    way = await silencing(redis.url);
    admin = new Redis(redis.url);
    admin.on("error", () => undefined);
    stack = await openStack({ databaseUrl: postgres.url, redisUrl: redis.url, kind: "api" });
    worker = await startTestWorker({
      databaseUrl: postgres.url,
      redisUrl: way.url,
      env: { TL_WORKER_CONCURRENCY: "1" },
      liveness,
      onStuck: (reason) => void stuck.push(reason),
    });
    await worker.started;
  });
  afterAll(async () => {
    await worker?.stop(AbortSignal.abort());
    await stack?.close();
    admin?.disconnect();
    await way?.close();
    await Promise.all([postgres?.remove(), redis?.kill()]);
  });

  async function submit(ms: number): Promise<string> {
    const execution = newExecution({ engineId: "test.sleep", inputText: JSON.stringify({ ms }) });
    await stack.submitter.submit(execution);
    return execution.id;
  }
  const statuses = async () => {
    const { rows } = await stack.db.pool.query<{ status: string }>(
      "SELECT status FROM executions WHERE status NOT IN ('succeeded', 'canceled')",
    );
    return rows.map(({ status }) => status).sort();
  };
  const allEnd = async (): Promise<void> => {
    await expect.poll(statuses, { timeout: 20_000 }).toEqual([]);
  };

  test("is not blamed while its slots are full", async () => {
    await submit(longMs);
    await expect.poll(statuses).toEqual(["running"]);
    await submit(1);
    await delay(longMs - 500);
    expect([await statuses(), stuck]).toEqual([["queued", "running"], []]);
    await allEnd();
  });

  test("is not blamed while Redis is frozen, or takes no writes", async () => {
    redis.pause();
    await submit(1);
    await delay(longMs);
    redis.resume();
    await allEnd();
    // Read-only after a failover, with a job in it, when the place gets free: it answers questions, and hands out nothing.
    await submit(1_000);
    await expect.poll(statuses).toEqual(["running"]);
    await submit(1);
    await expect.poll(() => stack.queue.depth("test.sleep", 1)).toBe(1);
    await admin.replicaof("127.0.0.1", 1);
    await delay(1_000 + longMs);
    expect(await stack.queue.depth("test.sleep", 1)).toBe(1);
    expect([await statuses(), stuck]).toEqual([["queued"], []]);
    await admin.replicaof("NO", "ONE");
    await allEnd();
  });

  test("is not blamed while Postgres is away", async () => {
    await submit(200);
    await postgres.stop();
    await delay(longMs);
    await postgres.start();
    await allEnd();
    expect(stuck).toEqual([]);
  });

  test("is blamed when its way to the queue is cut in silence, and what it left is there for another", async () => {
    const name = "\r\ntl-worker\r\n";
    expect(way.silence((sent) => sent.includes(name))).toBeGreaterThan(0);
    await submit(1);
    await expect
      .poll(() => stuck, { timeout: 15_000 })
      .toEqual(["nothing of test.sleep@1 was taken for 1.5 s, though it waits and a slot is free"]);
    expect(await statuses()).toEqual(["queued"]);
    await worker.stop(AbortSignal.abort());
    way.silenceNoMore();
    worker = await startTestWorker({ databaseUrl: postgres.url, redisUrl: way.url });
    await worker.started;
    await allEnd();
  });
});
