import { openQueue } from "@tl-engine/shared/queue/open-queue.ts";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { describeWithRedis } from "../test/services.ts";
import { leaseSeconds, startBed, type Bed } from "./support/bed.ts";
import { eventually } from "./support/eventually.ts";
import { livingApis } from "./support/living-apis.ts";
import { request } from "./support/request.ts";

// Short forms of the promises about processes that freeze or are told to go; the rest is on the fault bed.
describeWithRedis("two APIs and three workers", () => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await startBed({ engines: ["sleep", "count"], env: { TL_DRAIN_SECONDS: "1" } });
  });
  afterAll(() => bed?.remove());
  beforeEach(async () => {
    bed.deployment.showLogsOnFailure(onTestFailed);
    await bed.complete();
  });

  const client = () => bed.deployment.client(livingApis(bed.deployment)[0]);
  test("O1: the same delivery again and again, while it runs and after it ended: one result", async () => {
    const { sink } = bed;
    const { execution_id: id } = await client().execute("count", { sink: sink.url, hold: true });
    await sink.arrived(id);
    const queue = openQueue({
      redisUrl: bed.redis.url,
      databaseUrl: bed.postgres.url,
      lockMs: 2_000,
      consumed: 0,
      onError: () => undefined,
    });
    const deliverAgain = async (): Promise<void> => {
      const items = [0, 0, 1, 0, 1].map((dispatch) => [id, dispatch] as const);
      const delivery = { engineId: "count", version: 1, priority: "normal", items } as const;
      await queue.enqueue([{ ...delivery, items, perJob: 1 }]);
      await queue.enqueue([{ ...delivery, items, perJob: 5 }]);
      await eventually("the workers have taken them", async () =>
        (await queue.depth("count", 1)) === 0 ? true : null,
      );
    };
    await eventually("the queue's connection is open", async () => {
      await queue.depth("count", 1);
      return true;
    });
    await deliverAgain();
    expect(await client().status(id)).toMatchObject({ status: "running", attempt: 1 });
    sink.release(id);
    const done = await client().wait(id, { include: ["attempts"] });
    expect(done).toMatchObject({ status: "succeeded", attempt: 1 });
    await deliverAgain();
    expect(await client().status(id, { include: ["attempts"] })).toEqual(done);
    expect(sink.effectsOf(id)).toHaveLength(1);
    await queue.close();
  });

  test("O2: a worker frozen for two leases wakes up to find its result unwanted", async () => {
    const { sink } = bed;
    const { execution_id: id } = await client().execute("count", { sink: sink.url, hold: true });
    const first = await sink.arrived(id);
    const running = await client().status(id, { include: ["attempts"] });
    const frozenId = running.attempts?.at(-1)?.worker_id;
    const frozen = await bed.workerById(frozenId);
    frozen.signal("SIGSTOP");
    // Its successor calls, after the lease and well before two of them are over.
    const second = await sink.arrived(id, 2);
    expect(second.at - first.at).toBeLessThan(2 * leaseSeconds * 1_000 + 1_000);
    // Both calls are answered now: the frozen one finds the answer when it wakes.
    sink.release(id);
    const done = await client().wait(id, { include: ["attempts"] });
    await eventually(
      "two leases are over",
      () => (performance.now() - first.at > 2 * leaseSeconds * 1_000 ? true : null),
      { withinMs: 10_000 },
    );
    frozen.signal("SIGCONT");
    await frozen.says(
      "what became of it",
      ({ execution_id, outcome }) =>
        execution_id === id && (outcome === "stale" || outcome === "given_back"),
    );
    expect(await client().status(id, { include: ["attempts"] })).toEqual(done);
    expect(done).toMatchObject({ status: "succeeded", attempt: 1 });
    expect(
      done.attempts?.map(({ outcome, worker_id }) => [outcome, worker_id === frozenId]),
    ).toEqual([
      ["worker_lost", true],
      ["succeeded", false],
    ]);
    expect(sink.effectsOf(id)).toHaveLength(2);
    // And it works on: it is given a lease and work again.
    expect(
      await eventually("it is ready again", async () =>
        (await request(`${frozen.metricsUrl}/readyz`)).status === 200 ? true : null,
      ),
    ).toBe(true);
  });
});
