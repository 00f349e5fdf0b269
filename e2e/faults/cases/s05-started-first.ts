import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Deployment } from "../../support/deployment.ts";
import { eventually } from "../../support/eventually.ts";
import { request } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

/** How soon after both are there everything has to be ready, ms. */
const readyWithinMs = 5_000;

export const faultCase: FaultCase = {
  id: "S5",
  promise:
    "started before Postgres and Redis: all processes wait, alive and not ready, and say for what; none ends; ready 5 s after both are there",
  backends: bothBackends,
  short: true,
  async run(context) {
    let pids: number[] = [];
    const bed = await context.startBed({
      engines: ["sleep"],
      async beforeServices(deployment) {
        pids = processesOf(deployment).map(({ pid }) => pid);
        // Longer than any single try of a connection.
        await delay(context.size(3_000, 20_000));
        for (const one of processesOf(deployment)) {
          const [ready, alive] = await Promise.all([
            request(`${one.metricsUrl}/readyz`),
            request(`${one.metricsUrl}/healthz`),
          ]);
          assert.deepEqual([ready.status, alive.status], [503, 200], one.name);
          assert(ready.json.reasons.includes("postgres"), `${one.name} waits for Postgres`);
          await one.says("for what it waits", ({ msg }) => msg === "waiting for PostgreSQL");
          // And why it is not there, as Postgres' absence looks from here.
          await one.says("why", ({ err }) => JSON.stringify(err ?? "").includes("ECONNREFUSED"));
        }
      },
    });
    const sameAsBefore = (): void =>
      assert.deepEqual(
        processesOf(bed.deployment).map(({ pid, ended }) => [pid, ended]),
        pids.map((pid) => [pid, null]),
        "a process ended while it waited",
      );
    sameAsBefore();
    const firstMs = await allReady(bed);
    const done = await bed.client().run("sleep", { ms: 1 }, { waitTimeoutMs: 10_000 });
    assert.deepEqual(done, { attempt: 1 });
    context.say(`ready ${Math.round(firstMs)} ms after both were there`);

    // A worker alone, while Redis is away: not ready for its queue, and then at once.
    if (bed.backend === "redis") {
      await bed.redis.stop();
      const late = await bed.deployment.startWorker();
      await eventually(
        "it waits for its queue",
        async () => {
          const { status, json } = await request(`${late.metricsUrl}/readyz`);
          return status === 503 && json.reasons.includes("queue") ? true : null;
        },
        { withinMs: 20_000 },
      );
      await bed.redis.start();
      const since = performance.now();
      await eventually(
        "it is ready",
        async () => {
          const { status } = await request(`${late.metricsUrl}/readyz`);
          return status === 200 ? true : null;
        },
        { withinMs: readyWithinMs },
      );
      assert.equal(late.ended, null);
      context.say(
        `a worker started without Redis was ready ${Math.round(performance.now() - since)} ms after it`,
      );
      await bed.client().run("sleep", { ms: 1 }, { waitTimeoutMs: 15_000 });
      await late.stop();
    }
  },
};

function processesOf({ apis, workers }: Deployment) {
  return [...apis, ...workers];
}

/** @returns ms until all are ready, from now */
async function allReady(bed: Bed): Promise<number> {
  const since = performance.now();
  await eventually(
    "all processes are ready",
    async () => {
      for (const { metricsUrl, name } of processesOf(bed.deployment)) {
        const { status, json } = await request(`${metricsUrl}/readyz`);
        assert.deepEqual([name, status, json.reasons], [name, 200, []]);
      }
      return true;
    },
    { withinMs: readyWithinMs },
  );
  return performance.now() - since;
}
