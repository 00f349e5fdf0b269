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

  test("S1: SIGTERM to a worker: what runs may end, what doesn't starts elsewhere within 2 s", async () => {
    const { sink } = bed;
    const ids = await Promise.all(
      Array.from(
        { length: 12 },
        async () => (await client().execute("count", { sink: sink.url, hold: true })).execution_id,
      ),
    );
    await Promise.all(ids.map((id) => sink.arrived(id)));
    const { executions } = await client().statuses(ids, { include: ["attempts"] });
    const byWorker = Map.groupBy(executions, ({ attempts }) => attempts?.at(-1)?.worker_id);
    const [leavingId, its] = [...byWorker].toSorted(([, a], [, b]) => b.length - a.length)[0]!;
    expect(its.length).toBeGreaterThanOrEqual(2);
    const leaving = await bed.workerById(leavingId);
    const end = leaving.stop();
    await leaving.says("stopping", ({ msg }) => msg === "stopping");
    // One of them ends in time.
    const [inTime, ...late] = its.map(({ execution_id: id }) => id);
    sink.release(inTime!);
    expect(await client().wait(inTime!, { include: ["attempts"] })).toMatchObject({
      status: "succeeded",
      attempts: [{ worker_id: leavingId }],
    });
    for (const id of late) {
      const brokenOffAt = await sink.brokenOff(id);
      expect((await sink.arrived(id, 2)).at - brokenOffAt).toBeLessThan(2_000);
      sink.release(id);
    }
    expect(await end).toEqual({ code: 0, signal: null });
    for (const id of ids) sink.release(id);
    for (const id of late) {
      const done = await client().wait(id, { include: ["attempts"] });
      expect(done).toMatchObject({ status: "succeeded", attempt: 1 });
      expect(done.attempts?.map(({ outcome }) => outcome)).toEqual(["given_back", "succeeded"]);
    }
    await Promise.all(ids.map((id) => client().wait(id)));
  });

  test("S2: SIGTERM to an API under load: not ready first, and no answer is lost", async () => {
    const leaving = bed.deployment.apis[livingApis(bed.deployment)[0]!]!;
    const headers = { "x-api-key": bed.deployment.planeKey };
    const { sink } = bed;
    const { execution_id: heldId } = await client().execute("count", {
      sink: sink.url,
      hold: true,
    });
    const heldAnswer = request(`${leaving.url}/api/v1/executions/${heldId}?wait=60`, { headers });
    const answers: number[] = [];
    const broken: unknown[] = [];
    let notReady = false;
    const lane = async (n: number): Promise<void> => {
      for (;;) {
        try {
          const answer =
            n === 0
              ? await request(`${leaving.url}/readyz`)
              : await request(`${leaving.url}/api/v1/engines/sleep/execute`, {
                  json: { input: { ms: 1 } },
                  headers,
                });
          if (n === 0) notReady ||= answer.status === 503;
          else answers.push(answer.status);
        } catch (error) {
          const code = ((error as Error).cause as { code?: string } | undefined)?.code;
          // It listens no more: nothing was accepted, so nothing is lost.
          if (code === "ECONNREFUSED") return;
          broken.push(error);
          return;
        }
      }
    };
    const lanes = Promise.all(Array.from({ length: 9 }, (_, n) => lane(n)));
    await eventually("the load runs", () => (answers.length > 50 ? true : null));
    const end = leaving.stop();
    const held = await heldAnswer;
    expect([held.status, held.json.status]).toEqual([200, "running"]);
    await lanes;
    expect(await end).toEqual({ code: 0, signal: null });
    expect(broken).toEqual([]);
    expect(notReady).toBe(true);
    expect(new Set(answers)).toEqual(new Set([202]));
    sink.release(heldId);
    await client().wait(heldId);
    await eventually("all of it has ended", async () => {
      const [figures] = await client().metrics({ engines: ["sleep"] });
      return figures && figures.queued + figures.running === 0 ? true : null;
    });
  });
});
