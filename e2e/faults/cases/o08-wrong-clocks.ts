import assert from "node:assert/strict";
import type { Client, Execution } from "@tl-engine/client";
import { clockOffBy, faketimeRemedy, hasFaketime } from "../../support/faked-clock.ts";
import { request } from "../../support/request.ts";
import type { RunningProcess } from "../../support/running-process.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "O8",
  promise:
    "APIs and workers whose clocks are 10 min ahead and behind: 1,000 executions without an early expiry, a negative duration or a double run; delays, ttl, timeouts, retries and rate limits by the true time; a worker ahead that is killed is taken back in time",
  backends: bothBackends,
  short: true,
  missing: () => (hasFaketime() ? null : faketimeRemedy),
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep", "count", "flaky"],
      apis: 0,
      workers: 0,
      alone: true,
    });
    const { deployment } = bed;
    const offBy = { ahead: 600, behind: -600 };
    const [apiAhead, apiBehind, ahead, behind] = await Promise.all([
      deployment.startApi({ env: clockOffBy(offBy.ahead) }),
      deployment.startApi({ env: clockOffBy(offBy.behind) }),
      deployment.startWorker({ env: clockOffBy(offBy.ahead) }),
      deployment.startWorker({ env: clockOffBy(offBy.behind) }),
      deployment.startWorker(),
    ]);
    const processes = [...deployment.apis, ...deployment.workers];
    await Promise.all(processes.map((one) => one.ready()));
    await isOff(apiAhead, "ready", offBy.ahead);
    await isOff(apiBehind, "ready", offBy.behind);
    await isOff(ahead, "taking work", offBy.ahead);
    await isOff(behind, "taking work", offBy.behind);

    const ledger = await context.openLedger(bed, ["count", "flaky"]);
    await ledger.load({
      engine: "count",
      input: () => ({ sink: bed.sink.url }),
      count: context.size(100, 1_000),
      parallel: 8,
    });
    await ledger.load({
      engine: "flaky",
      input: (n) => ({ failures: n % 3 }),
      count: context.size(20, 100),
    });
    const clients = [0, 1].map((api) => deployment.client(api));
    await Promise.all([
      ...clients.flatMap((client) => [delaysHold(client), timeoutsHold(client)]),
      // One place for all: one after the other.
      (async () => {
        for (const client of clients) await ttlHolds(context, bed, client, "count.single");
      })(),
    ]);
    await limitHolds(bed);

    // One that is ahead dies with work in its hands.
    const held = await Promise.all(
      Array.from({ length: 12 }, () =>
        ledger.submit({ engine: "count", input: { sink: bed.sink.url, hold: true } }),
      ),
    );
    await Promise.all(held.map((id) => bed.sink.arrived(id)));
    await ahead.kill();
    const killedAt = performance.now();
    for (const id of held) bed.sink.release(id);
    const before = new Set(held);
    const { executions } = await ledger.audit(context.promised(30));
    context.say(
      `the last of the killed worker's ended ${Math.round(performance.now() - killedAt)} ms after it`,
    );

    for (const execution of executions.values()) {
      timesAreInOrder(execution);
      if (before.has(execution.execution_id)) continue;
      const lost = execution.attempts?.filter(({ outcome }) => outcome === "worker_lost") ?? [];
      assert.equal(lost.length, 0, `${execution.execution_id} was taken from a living worker`);
      if (execution.engine === "count")
        assert.equal(bed.sink.effectsOf(execution.execution_id).length, 1);
    }
    await callsAreInOrder(bed, [...executions.keys()].slice(0, 100));
    await listGoesByTime(deployment.client(1));
  },
};

/** @throws AssertionError where the process has the true time: the case would prove nothing */
async function isOff(one: RunningProcess, word: string, seconds: number): Promise<void> {
  const line = await one.says(word, ({ msg }) => msg === word);
  const offMs = Date.parse(String(line["time"])) - Date.now() - seconds * 1_000;
  assert(Math.abs(offMs) < 120_000, `${one.name}: its clock is not off by ${seconds} s`);
}

/** Nothing starts before its time, nor much later: whoever's clock it was that counted. */
async function delaysHold(client: Client): Promise<void> {
  const dueAt = Date.now() + 3_000;
  const submitted = await Promise.all([
    client.execute("sleep", { ms: 1 }, { delay: "3s" }),
    client.execute("sleep", { ms: 1 }, { runAt: new Date(dueAt) }),
    client.execute("sleep", { ms: 1 }, { runAt: new Date(dueAt - 300_000) }),
  ]);
  const ends = await Promise.all(submitted.map(({ execution_id: id }) => client.wait(id)));
  const [delayed, timed, past] = ends.map((execution) => {
    assert.equal(execution.status, "succeeded");
    timesAreInOrder(execution);
    return Date.parse(execution.started_at ?? "");
  }) as [number, number, number];
  for (const at of [delayed, timed]) {
    const lateMs = at - dueAt;
    assert(lateMs >= -50 && lateMs < 10_000, `it started ${lateMs} ms after it was due`);
  }
  const [, , third] = ends;
  assert(past - Date.parse(third?.created_at ?? "") < 10_000, "what was due already has waited");
}

/** What may wait 30 s is not expired after two, and what may wait one is, then. */
async function ttlHolds(
  { between }: CaseContext,
  bed: Bed,
  client: Client,
  engine: string,
): Promise<void> {
  const input = { sink: bed.sink.url };
  const holder = await client.execute(engine, { ...input, hold: true });
  await bed.sink.arrived(holder.execution_id);
  const patient = await client.execute(engine, input, { ttl: "30s" });
  const hasty = await client.execute(engine, input, { ttl: "1s" });
  const expired = await client.wait(hasty.execution_id);
  assert.equal(expired.status, "expired");
  const waitedMs = Date.parse(expired.finished_at ?? "") - Date.parse(expired.created_at);
  assert(waitedMs >= 1_000 && waitedMs < 10_000, `a ttl of 1 s took ${waitedMs} ms`);
  assert.equal((await client.status(patient.execution_id)).status, "queued");
  await new Promise((resolve) => setTimeout(resolve, between(0, 500)));
  bed.sink.release(holder.execution_id);
  for (const { execution_id: id } of [holder, patient]) {
    const end = await client.wait(id);
    assert.equal(end.status, "succeeded");
    timesAreInOrder(end);
  }
}

async function timeoutsHold(client: Client): Promise<void> {
  const [short, long] = await Promise.all([
    client.execute("sleep", { ms: 30_000 }, { timeout: "1s", maxAttempts: 1 }),
    client.execute("sleep", { ms: 2_000 }, { timeout: "30s" }),
  ]);
  const [timedOut, ended] = await Promise.all([
    client.wait(short.execution_id),
    client.wait(long.execution_id),
  ]);
  assert.deepEqual([timedOut.status, timedOut.error?.code], ["failed", "timeout"]);
  const ranMs = timedOut.metrics.run_ms ?? Number.NaN;
  assert(ranMs >= 990 && ranMs < 10_000, `a timeout of 1 s took ${ranMs} ms`);
  assert.deepEqual([ended.status, ended.attempt], ["succeeded", 1]);
}

/** Exactly the limit goes through, over both; what callers are told of the window's end is true. */
async function limitHolds(bed: Bed): Promise<void> {
  const [api] = bed.livingApis();
  const made = await request(`${api?.url}/api/v1/keys`, {
    json: { name: "limited", rate_limit: 20 },
    headers: { "x-api-key": bed.deployment.planeKey },
  });
  assert.equal(made.status, 201, made.text);
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, n) => {
      const { url } = bed.livingApis()[n % 2] ?? { url: "" };
      return request(`${url}/api/v1/engines`, { headers: { "x-api-key": made.json.key } });
    }),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 20);
  for (const { status, headers } of answers) {
    const endsInSeconds = Number(headers.get("x-ratelimit-reset")) - Date.now() / 1_000;
    assert(
      endsInSeconds > 3_500 && endsInSeconds <= 3_602,
      `the window ends in ${endsInSeconds} s`,
    );
    if (status !== 429) continue;
    const after = Number(headers.get("retry-after"));
    assert(after > 3_500 && after <= 3_600, `Retry-After: ${after}`);
  }
}

/** No duration is negative, and no time lies outside of what happened. */
function timesAreInOrder(execution: Execution): void {
  const {
    execution_id: id,
    created_at,
    started_at,
    finished_at,
    metrics,
    attempts = [],
  } = execution;
  const times = [created_at, started_at, finished_at].flatMap((time) =>
    time === null ? [] : [Date.parse(time)],
  );
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
    `${id}: its times are out of order`,
  );
  for (const ms of [metrics.queued_ms, metrics.run_ms]) assert((ms ?? 0) >= 0, `${id}: ${ms} ms`);
  for (const attempt of attempts) {
    const [from, to] = [attempt.started_at, attempt.finished_at].map((time) =>
      Date.parse(time ?? ""),
    );
    assert((to as number) >= (from as number), `${id}: an attempt ended before it began`);
  }
  const idMs = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  assert(
    Math.abs(idMs - Date.parse(created_at)) < 5_000,
    `${id} says another time than ${created_at}`,
  );
}

/** The log of outbound calls puts each within its attempt. */
async function callsAreInOrder(bed: Bed, ids: readonly string[]): Promise<void> {
  const { executions } = await bed.client().statuses(ids, { include: ["attempts", "calls"] });
  for (const { execution_id: id, started_at, finished_at, calls = [] } of executions) {
    for (const call of calls) {
      const at = Date.parse(call.started_at);
      const within =
        at > Date.parse(started_at ?? "") - 2_000 && at < Date.parse(finished_at ?? "") + 2_000;
      assert(
        within,
        `${id}: a call at ${call.started_at}, outside of ${started_at} to ${finished_at}`,
      );
      assert(call.duration_ms >= 0);
    }
  }
}

/** Newest first by the time of recording, whichever API has recorded it. */
async function listGoesByTime(client: Client): Promise<void> {
  const seen: Execution[] = [];
  for await (const execution of client.list()) {
    seen.push(execution);
    if (seen.length === 1_000) break;
  }
  for (const [n, execution] of seen.entries()) {
    const next = seen[n + 1];
    if (next === undefined) break;
    const gapMs = Date.parse(next.created_at) - Date.parse(execution.created_at);
    assert(gapMs < 5_000, `${next.execution_id} is listed ${gapMs} ms out of order`);
  }
}
