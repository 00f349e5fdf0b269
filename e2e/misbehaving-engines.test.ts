import type { Execution } from "@tl-engine/client";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { startSink, type Sink } from "./support/sink.ts";
import { strangeErrors, strangeResults } from "./engines/strange.ts";

// E1 to E4 through API, record, queue, worker and host: one worker, so that all share it with the bad ones.
let database: FreshDatabase;
let sink: Sink;
let deployment: Deployment;

beforeAll(async () => {
  [database, sink] = await Promise.all([freshDatabase(), startSink()]);
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    engines: ["sleep", "spin", "exit", "leak", "stubborn", "strange", "surroundings", "count"],
    env: { TL_OUTBOUND_ALLOW: sink.address, TL_GRACE_SECONDS: "1", TL_WORKER_CONCURRENCY: "50" },
  });
});
afterAll(async () => {
  await deployment?.stop();
  await sink?.close();
  await database?.drop({ force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

const client = () => deployment.client();
const submit = async (engine: string, input: unknown): Promise<string> =>
  (await client().execute(engine, input)).execution_id;
const ends = (id: string): Promise<Execution> => client().wait(id, { include: ["attempts"] });
/** Executions that share the worker with a bad one, and are not to suffer. */
const submitInnocent = (count: number, ms: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => submit("sleep", { ms })));
const runTime = ({ started_at, finished_at }: Execution): number =>
  Date.parse(finished_at!) - Date.parse(started_at!);

function expectUnharmed(executions: readonly Execution[]): void {
  for (const { status, attempt } of executions) expect([status, attempt]).toEqual(["succeeded", 1]);
}

test.each([
  ["stubborn", 50],
  ["stubborn.thread", 2],
  ["stubborn.process", 2],
])(
  "E1: %s never ends; it is signalled, stopped, and its retry never overlaps it",
  async (engine, slots) => {
    const id = await submit(engine, { sink: sink.url });
    await sink.arrived(id);
    const others = await submitInnocent(20, 700);
    const done = await ends(id);
    expect(done).toMatchObject({ status: "failed", attempt: 2, error: { code: "timeout" } });
    expect(done.attempts?.map(({ outcome, error }) => [outcome, error?.code])).toEqual([
      ["failed", "timeout"],
      ["failed", "timeout"],
    ]);
    const started = done.attempts!.map(({ started_at }) => Date.parse(started_at!));
    const finished = done.attempts!.map(({ finished_at }) => Date.parse(finished_at!));
    for (const [n, from] of started.entries()) {
      // Its time, and the grace period.
      expect(finished[n]! - from).toBeGreaterThanOrEqual(1_400);
      expect(finished[n]! - from).toBeLessThan(6_000);
      const abortedAfter = Number(sink.effectsOf(`aborted-${id}`)[n]?.idempotencyKey);
      expect(abortedAfter).toBeGreaterThan(450);
      expect(abortedAfter).toBeLessThan(1_500);
    }
    const beats = sink.effectsOf(id).map(({ attempt }) => attempt);
    expect(beats).toEqual(beats.toSorted((a, b) => a - b)); // all of the first attempt's before any of the second's
    expectUnharmed(await Promise.all(others.map(ends)));
    // Its places are free again, and its host is gone: no beat comes after the next executions.
    expect(await client().run("sleep", { ms: 1 })).toEqual({ attempt: 1 });
    const [figures] = await client().metrics({ engines: [engine] });
    expect(figures).toMatchObject({ running: 0, queued: 0, slots });
  },
);

describe("E2: an engine that blocks its event loop", () => {
  test.each(["thread", "process"])(
    "in a %s of its own: the others end in their usual time",
    async (isolation) => {
      const id = await submit(`spin.${isolation}`, { ms: 60_000 });
      const others = await submitInnocent(50, 100);
      const executions = await Promise.all(others.map(ends));
      expectUnharmed(executions);
      for (const { attempts } of executions) expect(attempts).toHaveLength(1);
      const middle = executions.map(runTime).toSorted((a, b) => a - b)[25]!;
      expect(middle).toBeLessThan(1_000);
      expect(await ends(id)).toMatchObject({ status: "failed", error: { code: "timeout" } });
    },
  );

  test("inline: the host is replaced, the innocent ones end, with no attempt counted", async () => {
    const others = await submitInnocent(20, 600);
    const submittedAt = performance.now();
    const id = await submit("spin.inline", { ms: 60_000 });
    const executions = await Promise.all(others.map(ends));
    // 20 s where nobody else wants the two cores: the fault bed's E2 holds it to that.
    expect(performance.now() - submittedAt).toBeLessThan(45_000);
    expectUnharmed(executions);
    expect(await ends(id)).toMatchObject({
      status: "failed",
      attempt: 1,
      error: { code: "timeout" },
    });
    expect(await client().run("sleep", { ms: 1 }, { waitTimeoutMs: 5_000 })).toEqual({
      attempt: 1,
    });
  });
});

describe("E3: an engine that takes its host down", () => {
  test.each([
    ["exit.inline", "exit", "process.exit(1)"],
    ["exit.inline", "throw", "thrown where nobody catches"],
    ["exit.inline", "reject", "rejected where nobody looks"],
    ["exit.thread", "exit", "process.exit(1)"],
    ["exit.thread", "throw", "thrown where nobody catches"],
    ["exit.thread", "reject", "rejected where nobody looks"],
    ["exit.process", "exit", "process.exit(1)"],
    ["exit.process", "throw", "thrown where nobody catches"],
    ["exit.process", "reject", "rejected where nobody looks"],
    ["exit.process", "abort", "SIGABRT"],
    ["exit.process", "segv", "SIGSEGV"],
    ["exit.process", "kill", "SIGKILL"],
  ])("%s by %s fails an attempt and says why; the others end", async (engine, how, reason) => {
    const others = await submitInnocent(10, 300);
    const id = await submit(engine, { how, attempts: 1 });
    const done = await ends(id);
    expect(done).toMatchObject({ status: "succeeded", attempt: 2, output: { attempt: 2 } });
    expect(done.attempts?.[0]).toMatchObject({
      outcome: "failed",
      error: { code: "engine_crashed", detail: expect.stringContaining(reason) },
    });
    expectUnharmed(await Promise.all(others.map(ends)));
    expect(await client().run("sleep", { ms: 1 }, { waitTimeoutMs: 5_000 })).toEqual({
      attempt: 1,
    });
  });
});

test.each(["leak", "leak.process", "leak.buffers"])(
  "E4: an engine that leaks to its limit (%s) fails as such, and nobody else",
  async (engine) => {
    const others = await submitInnocent(10, 300);
    const leaking = Array.from({ length: 4 }, async () => ends(await submit(engine, {})));
    for (const done of await Promise.all(leaking)) {
      expect(done).toMatchObject({ status: "failed", error: { code: "out_of_memory" } });
    }
    expectUnharmed(await Promise.all(others.map(ends)));
    expect(deployment.workers.map(({ ended }) => ended)).toEqual([null]);
  },
);

describe.each(["inline", "thread", "process"])("%s", (isolation) => {
  const all = (inputs: object[]): Promise<Execution[]> =>
    Promise.all(inputs.map(async (input) => ends(await submit(`strange.${isolation}`, input))));

  test("E6: a result that cannot be kept fails with a reason", async () => {
    for (const { status, error } of await all(strangeResults.map((returns) => ({ returns })))) {
      expect(status).toBe("failed");
      expect(error?.code).toMatch(/^output_(invalid|too_large)$/);
      expect(error?.detail.trim()).not.toBe("");
    }
  });

  test("E7: whatever is thrown fails with a reason of at most 4 KiB", async () => {
    for (const { status, error } of await all(strangeErrors.map((throws) => ({ throws })))) {
      expect([status, error?.code]).toEqual(["failed", "engine_error"]);
      expect(error?.detail.trim()).not.toBe("");
      expect(Buffer.byteLength(error?.detail ?? "")).toBeLessThanOrEqual(4_096);
    }
  });
});

test("what an engine in a process calls outside is on record with its result", async () => {
  const id = await submit("count.process", { sink: sink.url });
  const done = await client().wait(id, { include: ["calls"] });
  expect(done).toMatchObject({ status: "succeeded", output: { attempt: 1 } });
  expect(done.calls).toMatchObject([
    { attempt: 1, method: "POST", host: sink.address, status: 200 },
  ]);
  expect(sink.effectsOf(id)).toMatchObject([{ idempotencyKey: `${id}/count` }]);
  const elsewhere = await ends(await submit("count.process", { sink: "http://127.0.0.1:1" }));
  expect(elsewhere).toMatchObject({ status: "failed", error: { code: "outbound_refused" } });
});

test("no engine sees what its worker was given", async () => {
  for (const engine of ["surroundings", "surroundings.thread", "surroundings.process"]) {
    const { environment } = (await client().run(engine, {})) as {
      environment: Record<string, string>;
    };
    expect(
      Object.keys(environment).filter((name) => /^(TL_|PG|DATABASE|REDIS)/.test(name)),
    ).toEqual([]);
    for (const secret of deployment.secrets)
      expect(JSON.stringify(environment)).not.toContain(secret);
  }
});

test("E9: a slow engine holds no other up", async () => {
  const slow = await Promise.all(
    Array.from({ length: 60 }, () => submit("spin.thread", { ms: 30 })),
  );
  const startedAt = performance.now();
  expect(await client().run("echo", "quick")).toBe("quick");
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await Promise.all(slow.map((id) => client().wait(id)));
});
