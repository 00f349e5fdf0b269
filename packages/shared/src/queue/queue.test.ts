import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  freshDatabase,
  freshRedis,
  hasRedis,
  type FreshDatabase,
} from "../../../../test/services.ts";
import { freshEngineId, listenForDeliveries } from "../testing/stack.ts";
import { openQueue } from "./open-queue.ts";
import type { Delivery, DeliveryItem, Queue } from "./queue.ts";

/** A gate that a handler waits at. */
function makeGate(): { passed: Promise<void>; open(): void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

describe.each(["postgres", "redis"] as const)("queue on %s", (backend) => {
  const it = test.skipIf(backend === "redis" && !hasRedis());
  const errors: Error[] = [];
  let database: FreshDatabase;
  let redisUrl: string | null = null;
  let queue: Queue;

  beforeAll(async () => {
    if (backend === "redis" && !hasRedis()) return;
    database = await freshDatabase();
    if (backend === "redis") redisUrl = await freshRedis();
    queue = openQueue({
      redisUrl,
      databaseUrl: database.url,
      lockMs: 15_000,
      consumed: 6,
      onError: (error) => void errors.push(error),
    });
    // A queue whose store is not there yet refuses at once.
    await vi.waitUntil(() => queue.health().catch(() => null), { timeout: 10_000 });
  });
  afterAll(async () => {
    await queue?.close();
    await database?.drop();
  });

  const item = (n: number): DeliveryItem => [
    `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    n,
  ];
  const delivery = (
    engineId: string,
    items: DeliveryItem[],
    over: Partial<Delivery> = {},
  ): Delivery => ({
    engineId,
    version: 1,
    priority: "normal",
    items,
    perJob: 1,
    ...over,
  });

  it("delivers each item once, to consumers of its engine version alone", async () => {
    const engineId = freshEngineId();
    const items = Array.from({ length: 40 }, (_, n) => item(n));
    const other = listenForDeliveries(queue, engineId, 2);
    const mine = listenForDeliveries(queue, engineId, 1);
    await queue.enqueue([delivery(engineId, items)]);
    const delivered = await mine.next(40);
    expect(delivered.toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual(items);
    expect(other.items).toEqual([]);
    await Promise.all([mine.close(), other.close()]);
    expect(await queue.depth(engineId, 1)).toBe(0);
  });

  it("keeps lists together, up to their size", async () => {
    const engineId = freshEngineId();
    const sizes: number[] = [];
    const done = makeGate();
    const consumer = queue.consume({
      engineId,
      version: 1,
      slots: 1,
      async handle(items) {
        sizes.push(items.length);
        if (sizes.reduce((sum, size) => sum + size, 0) === 7) done.open();
      },
    });
    const items = Array.from({ length: 7 }, (_, n) => item(n));
    await queue.enqueue([delivery(engineId, items, { perJob: 3 })]);
    await done.passed;
    await consumer.close();
    expect(sizes).toEqual([3, 3, 1]);
  });

  it("delivers by priority, and in order within one", async () => {
    const engineId = freshEngineId();
    await queue.enqueue([
      delivery(engineId, [item(5)], { priority: "low" }),
      delivery(engineId, [item(3), item(4)]),
      delivery(engineId, [item(1), item(2)], { priority: "high" }),
    ]);
    expect(await queue.depth(engineId, 1)).toBe(5);
    const order: number[] = [];
    const done = makeGate();
    const consumer = queue.consume({
      engineId,
      version: 1,
      slots: 1,
      async handle(items) {
        order.push(...items.map(([, n]) => n));
        if (order.length === 5) done.open();
      },
    });
    await done.passed;
    await consumer.close();
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  it("takes no more than its handlers can hold, and closes when they are done", async () => {
    const engineId = freshEngineId();
    const gate = makeGate();
    const twoIn = makeGate();
    let handled = 0;
    const consumer = queue.consume({
      engineId,
      version: 1,
      slots: 2,
      async handle() {
        handled += 1;
        if (handled === 2) twoIn.open();
        await gate.passed;
      },
    });
    await queue.enqueue([delivery(engineId, [item(1), item(2), item(3)])]);
    await twoIn.passed;
    expect(await queue.depth(engineId, 1)).toBe(1);
    const closed = consumer.close();
    gate.open();
    await closed;
    // What it did not take is there for others.
    expect(await queue.depth(engineId, 1)).toBe(3 - handled);
    const rest = listenForDeliveries(queue, engineId);
    expect(await rest.next(3 - handled)).toHaveLength(3 - handled);
    await rest.close();
  });
});
