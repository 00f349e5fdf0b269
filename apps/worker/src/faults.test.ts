import type { Execution } from "@tl-engine/contract";
import { describeExecution } from "@tl-engine/shared/executions/describe.ts";
import { readExecutions } from "@tl-engine/shared/executions/read.ts";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import { newExecution, openStack, type Stack } from "@tl-engine/shared/testing/stack.ts";
import { afterEach, expect, test } from "vitest";
import { freshDatabase, startPrivatePostgres } from "../../../test/services.ts";
import { startTestWorker, testEngines } from "./testing/running-worker.ts";
import { startWorkerProcess, type WorkerProcess } from "./testing/worker-process.ts";

const plane = { kind: "plane", id: "plane" } as const;
const undo: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

async function status(stack: Stack, id: string): Promise<Execution> {
  const include = { output: true, input: false, attempts: true, calls: false };
  const [row] = await readExecutions(stack.db.pool, plane, [id], include);
  if (row === undefined) throw new Error(`no execution ${id}`);
  return JSON.parse(describeExecution(row, { output: true })) as Execution;
}

async function until(
  stack: Stack,
  id: string,
  holds: (execution: Execution) => boolean,
): Promise<Execution> {
  for (;;) {
    const now = await status(stack, id).catch(() => null);
    if (now !== null && holds(now)) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function submit(stack: Stack, engineId: string, input: unknown, over = {}): Promise<string> {
  const execution = newExecution({ engineId, inputText: JSON.stringify(input), ...over });
  await stack.submitter.submit(execution);
  return execution.id;
}

async function open(leaseMs = 15_000): Promise<{ stack: Stack; databaseUrl: string }> {
  const database = await freshDatabase();
  undo.push(() => database.drop({ force: true }));
  const stack = await openStack({
    databaseUrl: database.url,
    redisUrl: null,
    kind: "api",
    leaseMs,
  });
  undo.push(() => stack.close());
  return { stack, databaseUrl: database.url };
}

test("an execution that was started without the worker hearing of it is given back and run", async () => {
  const { stack, databaseUrl } = await open();
  let starts = 0;
  const worker = await startTestWorker({
    databaseUrl,
    redisUrl: null,
    hooks: {
      async afterStart() {
        starts += 1;
        // As if the connection had been cut after the commit.
        if (starts === 1) throw Object.assign(new Error("cut"), { code: "ECONNRESET" });
      },
    },
  });
  undo.push(() => worker.stop(AbortSignal.abort()));
  await worker.started;
  const id = await submit(stack, "test.twice", { n: 1 });
  const execution = await until(stack, id, ({ done }) => done);
  expect(execution).toMatchObject({ status: "succeeded", attempt: 1 });
  expect(execution.attempts?.map(({ outcome }) => outcome)).toEqual(["given_back", "succeeded"]);
});

test("a worker that was frozen for two leases drops its late result; the successor's stands", async () => {
  const { stack, databaseUrl } = await open(1_000);
  const start = async (): Promise<WorkerProcess> => {
    const worker = startWorkerProcess({
      DATABASE_URL: databaseUrl,
      TL_ENGINES: testEngines,
      TL_WORKER_ENGINES: "test.sleep,test.spin.thread",
      TL_LEASE_SECONDS: "1",
      TL_RECONCILE_INTERVAL_MS: "100",
      TL_DRAIN_SECONDS: "0",
      TL_GRACE_SECONDS: "1",
    });
    undo.push(async () => {
      worker.kill("SIGKILL");
      await worker.ended;
    });
    await worker.says(({ msg }) => msg === "taking work");
    return worker;
  };
  const frozen = await start();
  const ids = [
    await submit(stack, "test.sleep", { ms: 1_500 }),
    await submit(stack, "test.spin.thread", { ms: 1_500 }),
  ];
  for (const id of ids) await until(stack, id, (now) => now.status === "running");
  frozen.kill("SIGSTOP");
  await start();
  for (const id of ids)
    await until(stack, id, (now) => now.status === "running" && (now.attempts?.length ?? 0) > 1);
  frozen.kill("SIGCONT");
  for (const id of ids) {
    const execution = await until(stack, id, ({ done }) => done);
    expect(execution).toMatchObject({ status: "succeeded", attempt: 1 });
    expect(execution.attempts?.map(({ outcome }) => outcome)).toEqual(["worker_lost", "succeeded"]);
  }
  // It was not to blame, and works again.
  frozen.kill("SIGTERM");
  expect(await frozen.ended).toBe(0);
});

test("what ends while Postgres is away is recorded when it is back", async () => {
  const postgres = await startPrivatePostgres();
  undo.push(() => postgres.remove());
  await migrate(postgres.url);
  const stack = await openStack({ databaseUrl: postgres.url, redisUrl: null, kind: "api" });
  undo.push(() => stack.close());
  const worker = await startTestWorker({ databaseUrl: postgres.url, redisUrl: null });
  undo.push(() => worker.stop(AbortSignal.abort()));
  await worker.started;
  const ids = await Promise.all([
    submit(stack, "test.sleep", { ms: 1_000 }),
    submit(stack, "test.spin.thread", { ms: 1_000 }),
  ]);
  for (const id of ids) await until(stack, id, (now) => now.status === "running");
  await postgres.kill();
  const ready = async () => (await fetch(`http://127.0.0.1:${worker.metricsPort}/readyz`)).status;
  await expect.poll(ready, { timeout: 10_000 }).toBe(503);
  // Their places are free: both have ended, and nobody could be told.
  const metrics = async () =>
    (await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`)).text();
  const taken = async () =>
    [...(await metrics()).matchAll(/^tl_slots_taken\{.*\} (\d+)$/gm)].map(([, used]) => used);
  await expect
    .poll(async () => new Set(await taken()), { timeout: 10_000 })
    .toEqual(new Set(["0"]));
  await postgres.start();
  for (const id of ids) {
    const execution = await until(stack, id, ({ done }) => done);
    expect(execution).toMatchObject({ status: "succeeded", attempt: 1 });
    expect(execution.attempts?.map(({ outcome }) => outcome)).toEqual(["succeeded"]);
  }
  const next = await submit(stack, "test.twice", { n: 1 });
  expect(await until(stack, next, ({ done }) => done)).toMatchObject({ status: "succeeded" });
});

test("what takes its worker down each time runs in a process of its own the third time, and ends there", async () => {
  const { stack, databaseUrl } = await open(1_000);
  const start = async (): Promise<WorkerProcess> => {
    const worker = startWorkerProcess({
      DATABASE_URL: databaseUrl,
      TL_ENGINES: testEngines,
      TL_WORKER_ENGINES: "test.poison,test.sleep",
      TL_LEASE_SECONDS: "1",
      TL_RECONCILE_INTERVAL_MS: "100",
    });
    undo.push(async () => {
      worker.kill("SIGKILL");
      await worker.ended;
    });
    await worker.says(({ msg }) => msg === "taking work");
    return worker;
  };
  const workers = [await start()];
  const innocent = await submit(stack, "test.sleep", { ms: 700 });
  await until(stack, innocent, (now) => now.status === "running");
  const poison = await submit(stack, "test.poison", {});
  for (const loss of [1, 2]) {
    expect(await workers.at(-1)?.ended).toBeNull();
    expect(loss).toBe(workers.length);
    workers.push(await start());
  }
  const execution = await until(stack, poison, ({ done }) => done);
  expect(execution).toMatchObject({
    status: "failed",
    attempt: 1,
    error: { code: "worker_lost", retryable: false, detail: expect.stringContaining("SIGKILL") },
  });
  expect(execution.attempts?.map(({ outcome }) => outcome)).toEqual([
    "worker_lost",
    "worker_lost",
    "failed",
  ]);
  expect(await until(stack, innocent, ({ done }) => done)).toMatchObject({ status: "succeeded" });
  workers.at(-1)?.kill("SIGTERM");
  expect(await workers.at(-1)?.ended).toBe(0);
});
