import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { describeWithRedis } from "../test/services.ts";
import { startBed, type Bed } from "./support/bed.ts";
import { eventually } from "./support/eventually.ts";
import { livingApis, openLedger } from "./support/ledger.ts";
import { request } from "./support/request.ts";

// Short forms of the promises about Postgres and Redis: away at the start, emptied, stopped under load.
describeWithRedis("two APIs and three workers", () => {
  let bed: Bed;
  const outageMs = 4_000;

  beforeAll(async () => {
    // S5: everything is started before Postgres and Redis are there.
    bed = await startBed({
      engines: ["sleep", "count"],
      async beforeServices({ apis, workers }) {
        for (const { metricsUrl } of [...apis, ...workers]) {
          const [ready, alive] = await Promise.all([
            request(`${metricsUrl}/readyz`),
            request(`${metricsUrl}/healthz`),
          ]);
          expect([ready.status, alive.status]).toEqual([503, 200]);
          expect(ready.json.reasons).toContain("postgres");
        }
      },
    });
  });
  afterAll(() => bed?.remove());
  beforeEach(() => bed.deployment.showLogsOnFailure(onTestFailed));

  const client = () => bed.deployment.client(livingApis(bed.deployment)[0]);
  const processes = () => [...bed.deployment.apis, ...bed.deployment.workers];
  /** All processes are those of the start, and ready, within the time that their connections need. */
  const allReady = (withinMs: number) =>
    eventually(
      "all processes are ready",
      async () => {
        expect(processes().filter(({ ended }) => ended !== null)).toEqual([]);
        for (const { metricsUrl, name } of processes()) {
          const { status, json } = await request(`${metricsUrl}/readyz`);
          expect({ name, status, reasons: json.reasons }).toEqual({
            name,
            status: 200,
            reasons: [],
          });
        }
        return true;
      },
      { withinMs },
    );

  test("S5: started before Postgres and Redis, all wait, and are ready 5 s after both", async () => {
    await allReady(5_000);
    expect(processes()).toHaveLength(5);
    expect(await client().run("sleep", { ms: 1 }, { waitTimeoutMs: 5_000 })).toEqual({
      attempt: 1,
    });
  });

  test("D4: FLUSHALL under load loses nothing", async () => {
    const ledger = await openLedger(bed.deployment, ["sleep"]);
    const redis = new Redis(bed.redis.url);
    const flushes: Promise<unknown>[] = [];
    await ledger.load({
      engine: "sleep",
      input: (n) => ({ ms: n % 300 }),
      count: 200,
      parallel: 16,
      onAccepted: (accepted) => {
        if (accepted === 80 || accepted === 160) flushes.push(redis.flushall());
      },
    });
    expect(await Promise.all(flushes)).toEqual(["OK", "OK"]);
    redis.disconnect();
    const { tally } = await ledger.audit(10_000);
    expect(tally).toMatchObject({ accepted: 200, succeeded: 200, lost: 0, refused: 0 });
  });

  test("D5: without Redis submits go on; with it back, busy and idle queues go on by themselves", async () => {
    const ledger = await openLedger(bed.deployment, ["sleep", "echo"]);
    // One queue is busy when Redis goes, the other has been idle.
    const before = ledger.load({
      engine: "sleep",
      input: () => ({ ms: 100 }),
      count: 100,
      parallel: 16,
    });
    await eventually("the load runs", () => (ledger.accepted.size > 40 ? true : null));
    await bed.redis.kill();
    const back = delay(outageMs).then(() => bed.redis.start());
    await Promise.all([
      before,
      ledger.load({
        engine: "sleep",
        input: () => ({ ms: 1 }),
        count: 40,
        parallel: 2,
        paceMs: 200,
      }),
      ledger.load({ engine: "echo", input: (n) => n, count: 20, parallel: 1, paceMs: 200 }),
      (async () => {
        const one = [...ledger.accepted.values()][0]!;
        const answer = await request(`${bed.deployment.apis[0]?.url}/readyz`);
        expect([answer.status, answer.json.degraded]).toEqual([200, ["redis"]]);
        expect((await client().status(one)).execution_id).toBe(one);
        expect((await client().engines()).length).toBeGreaterThan(2);
        for await (const listed of client().list({ pageSize: 5 })) {
          expect(listed.execution_id).toBeTruthy();
          break;
        }
      })(),
    ]);
    await back;
    const { tally } = await ledger.audit(15_000);
    expect(tally).toMatchObject({ accepted: 160, succeeded: 160, lost: 0, refused: 0 });
    expect(Math.max(...ledger.tries.map(({ ms }) => ms))).toBeLessThan(2_000);
    await allReady(5_000);
    // And from now on as if nothing had been, also where nobody had been listening all the while.
    for (const [engine, input] of [
      ["count", { sink: bed.sink.url }],
      ["echo", 1],
      ["sleep", { ms: 1 }],
    ] as const) {
      await client().run(engine, input, { waitTimeoutMs: 5_000 });
    }
  });

  test("D8: without Postgres submits are refused quickly; no process ends, nothing accepted is lost", async () => {
    const ledger = await openLedger(bed.deployment, ["sleep", "count"]);
    await ledger.load({
      engine: "count",
      input: () => ({ sink: bed.sink.url, hold: true }),
      count: 6,
    });
    const held = [...ledger.accepted.values()];
    await Promise.all(held.map((id) => bed.sink.arrived(id)));
    const load = ledger.load({
      engine: "sleep",
      input: () => ({ ms: 50 }),
      count: 100,
      parallel: 4,
      paceMs: 30,
    });
    await eventually("the load runs", () => (ledger.accepted.size > 30 ? true : null));
    await bed.postgres.kill();
    const killedAt = ledger.tries.length;
    // They end while nobody can write it down.
    bed.sink.releaseAll();
    await delay(outageMs);
    await bed.postgres.start();
    await load;
    const { tally, executions } = await ledger.audit(10_000);
    expect(tally).toMatchObject({ accepted: 106, succeeded: 106, lost: 0 });
    const refused = ledger.tries.slice(killedAt).filter(({ status }) => status !== 202);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, retryAfter, ms } of refused) {
      expect(status).toBe(503);
      expect(Number(retryAfter)).toBeGreaterThan(0);
      expect(ms).toBeLessThan(3_000);
    }
    // What ended meanwhile kept its result: it was kept and recorded later.
    const kept = executions.filter(({ execution_id: id }) => held.includes(id));
    expect(kept.map(({ attempts }) => attempts?.length)).toEqual(held.map(() => 1));
    expect(held.map((id) => bed.sink.effectsOf(id).length)).toEqual(held.map(() => 1));
    await allReady(10_000);
  });
});
