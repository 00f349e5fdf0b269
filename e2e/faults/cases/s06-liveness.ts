import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { silencing, type Silencing } from "@tl-engine/shared/testing/silencing.ts";
import { Redis } from "ioredis";
import type { StartOneOptions, Worker } from "../../support/deployment.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** How soon something starts after a connection was killed, which both sides hear of, ms. */
const killedMs = 5_000;
/** The same after it was cut in silence. On Redis a fetch is given up after 6 s; on Postgres those that listen are asked each 5 s and given 5 s. */
const silentMs = { redis: 12_000, postgres: 25_000 };

export const faultCase: FaultCase = {
  id: "S6",
  promise:
    "liveness is about work: a worker whose way to the queue is cut in silence exits 1 after 30 s with a free slot and a job to take; full slots, ceilings, Redis and Postgres away never count; a connection that is killed or silent is made again, and jobs are taken meanwhile",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({
      engines: ["count", "sleep"],
      apis: 1,
      workers: 0,
      env: { TL_WORKER_CONCURRENCY: "1", TL_DRAIN_SECONDS: "1" },
      alone: true,
    });
    const onRedis = bed.backend === "redis";
    const way = await silencing(onRedis ? bed.redis.url : bed.postgres.url);
    try {
      const ledger = await context.openLedger(bed, ["count", "count.single", "sleep"]);
      // Production's own entry point and times, where the case has the time for them.
      const limitMs = context.short && onRedis ? 8_000 : 30_000;
      const options: StartOneOptions = {
        ...(limitMs === 30_000
          ? {}
          : {
              entryPoint: "e2e/faults/entry-points/watched-worker.ts",
              args: ["--limit", String(limitMs), "--every", "800"],
            }),
        env: onRedis ? { REDIS_URL: way.url } : { DATABASE_URL: way.url },
      };
      const watched = await bed.deployment.startWorker(options);
      await watched.ready();
      await taken(context, bed, ledger, "as it should be", killedMs);

      await killWhatWakes(bed);
      await taken(context, bed, ledger, "what wakes it is killed", killedMs);
      const silent = silenceWhatWakes(bed, way);
      assert(silent > 0, "no connection wakes it");
      await taken(context, bed, ledger, "what wakes it is silent", silentMs[bed.backend]);
      way.silenceNoMore();

      if (onRedis || !context.short) await neverCounts(context, bed, ledger, options, limitMs);
      assert.equal(watched.ended, null, "it ended though it could work");
      if (onRedis) await counts(context, bed, ledger, watched, way, limitMs);
      else await watched.stop();
      way.silenceNoMore();
      await (await bed.deployment.startWorker()).ready();
      await ledger.audit(context.promised(60));
    } finally {
      await way.close();
    }
  },
};

/** Submits one, and waits for its end. */
async function taken(
  context: CaseContext,
  bed: Bed,
  ledger: Ledger,
  when: string,
  withinMs: number,
): Promise<void> {
  const since = performance.now();
  const id = await ledger.submit({ engine: "sleep", input: { ms: 1 } });
  await bed.client().wait(id, { timeoutMs: withinMs });
  context.say(`${when}: ended ${Math.round(performance.now() - since)} ms after the submit`);
}

async function killWhatWakes(bed: Bed): Promise<void> {
  if (bed.backend === "postgres") {
    await bed.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen%' AND application_name <> 'tl-signals'",
    );
    return;
  }
  const admin = new Redis(bed.redis.url);
  try {
    const list = String(await admin.call("CLIENT", "LIST"));
    const blocked = list.split("\n").filter((line) => line.includes("cmd=bzpopmin"));
    assert(blocked.length > 0, "nobody waits at Redis");
    for (const line of blocked) {
      const [, id = ""] = /^id=(\d+)/.exec(line) ?? [];
      await admin.call("CLIENT", "KILL", "ID", id);
    }
  } finally {
    admin.disconnect();
  }
}

function silenceWhatWakes(bed: Bed, way: Silencing): number {
  const count = way.silence((sent) =>
    bed.backend === "redis" ? sent.includes("bzpopmin") : /LISTEN "?bullmq/i.test(sent),
  );
  way.silenceNoMore();
  return count;
}

/** A full worker, an engine at its ceiling, and servers that are away: nobody is to blame. */
async function neverCounts(
  context: CaseContext,
  bed: Bed,
  ledger: Ledger,
  options: StartOneOptions,
  limitMs: number,
): Promise<void> {
  const { sink } = bed;
  // Has a free slot for the engine at its ceiling, all the time.
  const second = await bed.deployment.startWorker(options);
  await second.ready();
  const held = { input: { sink: sink.url, hold: true }, options: { timeout: "10m" } };
  const single = await ledger.submit({ engine: "count.single", ...held });
  await sink.arrived(single);
  for (let n = 0; n < 4; n++) await ledger.submit({ engine: "count.single", ...held });
  // One slot each, and two more wait.
  for (let n = 0; n < 4; n++) await ledger.submit({ engine: "count", ...held });
  const longMs = limitMs + 3_000;
  await delay(longMs);
  allLive(bed, `with full slots and at a ceiling for ${longMs} ms`);
  const effects = sink.effects.length;
  assert.equal(effects, 3, "one at the ceiling and one in each slot");
  if (!context.short) {
    if (bed.backend === "redis") {
      bed.redis.pause();
      await delay(longMs);
      bed.redis.resume();
      allLive(bed, "with Redis frozen");
      await bed.redis.stop();
      await delay(longMs);
      await bed.redis.start();
      allLive(bed, "without Redis");
    }
    await bed.postgres.stop();
    await delay(longMs);
    await bed.postgres.start();
    allLive(bed, "without Postgres");
  }
  sink.releaseAll();
  const ids = [...ledger.accepted.values()];
  await Promise.all(
    ids.map((id) => bed.client().wait(id, { timeoutMs: context.promised(60) + 20_000 })),
  );
  context.say(
    `nobody was blamed for full slots and a ceiling${context.short ? "" : ", nor for servers away"}`,
  );
  assert.deepEqual(await second.stop(), { code: 0, signal: null });
}

function allLive(bed: Bed, when: string): void {
  const ended = bed.deployment.workers.filter((worker) => worker.ended !== null);
  assert.deepEqual(
    ended.map(({ name }) => name),
    [],
    `a worker ended ${when}`,
  );
}

/** Every way on which it could take something is silent, and stays so. */
async function counts(
  context: CaseContext,
  bed: Bed,
  ledger: Ledger,
  watched: Worker,
  way: Silencing,
  limitMs: number,
): Promise<void> {
  assert(way.silence((sent) => sent.includes("\r\ntl-worker\r\n")) > 0, "no way to the queue");
  const id = await ledger.submit({ engine: "sleep", input: { ms: 1 } });
  const since = performance.now();
  // Looks take a while on a busy machine; then it gives back, and closes what does not answer.
  const endedIn = await Promise.race([
    watched.end.then(() => performance.now() - since),
    delay(3 * limitMs + 30_000, null),
  ]);
  assert(endedIn !== null, `it still lives\n${watched.text().slice(-2_000)}`);
  assert(endedIn > limitMs, `it ended after ${Math.round(endedIn)} ms already`);
  assert.deepEqual(watched.ended, { code: 1, signal: null });
  assert.match(watched.text(), /nothing of sleep@1 was taken for \d+ s, though it waits/);
  assert.equal((await bed.client().status(id)).status, "queued");
  context.say(`stuck: exit 1 after ${(endedIn / 1_000).toFixed(1)} s (limit ${limitMs / 1_000} s)`);
}
