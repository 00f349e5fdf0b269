import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import { newExecution, openStack } from "@tl-engine/shared/testing/stack.ts";
import { afterEach, expect, test } from "vitest";
import { freshDatabase, startPrivatePostgres } from "../../../test/services.ts";
import { testEngines } from "./testing/running-worker.ts";
import { startWorkerProcess, type WorkerProcess } from "./testing/worker-process.ts";

const left: WorkerProcess[] = [];
function start(env: Record<string, string>, folder?: string): WorkerProcess {
  const worker = startWorkerProcess(env, folder);
  left.push(worker);
  return worker;
}
afterEach(async () => {
  for (const worker of left.splice(0)) {
    worker.kill("SIGKILL");
    await worker.ended;
  }
});

const takesWork = (line: Record<string, unknown>) => line["msg"] === "taking work";
const nowhere = "postgres://nobody@127.0.0.1:1/none";

test("what is wrong with the configuration stops the start with a sentence", async () => {
  const worker = start({ TL_WORKER_CONCURRENCY: "many" });
  expect(await worker.ended).toBe(78);
  const said = JSON.stringify(worker.lines);
  expect(said).toContain("DATABASE_URL is not set");
  expect(said).toContain("TL_WORKER_CONCURRENCY");
});

test("an engine that cannot be served stops the start with a sentence that names it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tl-worker-"));
  try {
    await writeFile(join(folder, "mine.ts"), "export default { id: 'mine' };");
    const broken = start({ DATABASE_URL: nowhere, TL_ENGINES: "./mine.ts" }, folder);
    const missing = start({ DATABASE_URL: nowhere, TL_ENGINES: "@acme/not-installed" }, folder);
    const unknown = start({ DATABASE_URL: nowhere, TL_WORKER_ENGINES: "echo,nothing-such" });
    expect([await broken.ended, await missing.ended, await unknown.ended]).toEqual([78, 78, 78]);
    expect(JSON.stringify(broken.lines)).toContain("The engines of ./mine.ts cannot be loaded");
    expect(JSON.stringify(missing.lines)).toContain("@acme/not-installed");
    expect(JSON.stringify(unknown.lines)).toContain("TL_WORKER_ENGINES names nothing-such");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("started before Postgres and its schema it waits, not ready, and then takes work", async () => {
  const postgres = await startPrivatePostgres();
  try {
    await postgres.stop();
    const worker = start({ DATABASE_URL: postgres.url, TL_WORKER_ENGINES: "echo" });
    const { port } = await worker.says((line) => line["msg"] === "metrics");
    await worker.says((line) => line["reason"] === "postgres");
    const ready = `http://127.0.0.1:${String(port)}/readyz`;
    expect((await fetch(ready)).status).toBe(503);
    await postgres.start();
    await worker.says((line) => line["reason"] === "migrations");
    await migrate(postgres.url);
    const migratedAt = performance.now();
    await worker.says(takesWork);
    expect(performance.now() - migratedAt).toBeLessThan(5_000);
    expect(await (await fetch(ready)).json()).toMatchObject({ status: "ready" });
    worker.kill("SIGTERM");
    expect(await worker.ended).toBe(0);
  } finally {
    await postgres.remove();
  }
});

test("SIGTERM lets what runs end, and what does not is given back at once when it comes twice", async () => {
  const database = await freshDatabase();
  const stack = await openStack({ databaseUrl: database.url, redisUrl: null, kind: "api" });
  try {
    const worker = start({
      DATABASE_URL: database.url,
      TL_ENGINES: testEngines,
      TL_WORKER_ENGINES: "test.sleep",
    });
    await worker.says(takesWork);
    const short = newExecution({ engineId: "test.sleep", inputText: '{"ms":2000}' });
    const long = newExecution({ engineId: "test.sleep", inputText: '{"ms":60000}' });
    await Promise.all([stack.submitter.submit(short), stack.submitter.submit(long)]);
    const states = async () => {
      const { rows } = await stack.db.pool.query<{ status: string }>(
        "SELECT status FROM executions WHERE id = ANY($1) ORDER BY id = $2",
        [[short.id, long.id], long.id],
      );
      return rows.map((row) => row.status);
    };
    while ((await states()).join() !== "running,running")
      await new Promise((go) => setTimeout(go, 20));
    worker.kill("SIGTERM");
    const line = await worker.says(({ execution_id }) => execution_id === short.id);
    expect(line).toMatchObject({
      outcome: "succeeded",
      attempt: 1,
      dispatch: 1,
      engine: "test.sleep",
    });
    worker.kill("SIGTERM");
    expect(await worker.ended).toBe(0);
    expect(await states()).toEqual(["succeeded", "queued"]);
  } finally {
    await stack.close();
    await database.drop({ force: true });
  }
});

test("a worker that is killed takes its processes with it, also one that an engine keeps busy", async () => {
  const database = await freshDatabase();
  const stack = await openStack({ databaseUrl: database.url, redisUrl: null, kind: "api" });
  try {
    const worker = start({
      DATABASE_URL: database.url,
      TL_ENGINES: testEngines,
      TL_WORKER_ENGINES: "test.spin.process,test.parent",
    });
    await worker.says(takesWork);
    await stack.submitter.submit(
      newExecution({ engineId: "test.spin.process", inputText: '{"ms":600000}' }),
    );
    await stack.submitter.submit(
      newExecution({ engineId: "test.parent", inputText: '{"ms":600000}' }),
    );
    const { msg } = await worker.says((line) => String(line["msg"]).startsWith("pids"));
    const started = () => childrenOf(worker.pid);
    await expect.poll(started, { timeout: 20_000 }).toHaveLength(2);
    const all = [...(await started()), ...String(msg).split(" ").slice(1).map(Number)];
    expect(new Set(all).size).toBe(3);
    await expect.poll(() => isBusy(all), { timeout: 20_000 }).toBe(true);
    worker.kill("SIGKILL");
    await worker.ended;
    // Half a second, and what a busy machine adds to it.
    const left = async () => (await Promise.all(all.map(stateOf))).filter((one) => one !== null);
    await expect.poll(left, { timeout: 5_000 }).toEqual([]);
  } finally {
    await stack.close();
    await database.drop({ force: true });
  }
});

interface ProcessState {
  ppid: number;
  /** Clock ticks in which it computed. */
  ticks: number;
}

/** null where there is no such process, or only its zombie. */
async function stateOf(pid: number): Promise<ProcessState | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (text === "" || fields[0] === "Z") return null;
  return { ppid: Number(fields[1]), ticks: Number(fields[11]) };
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  const states = await Promise.all(pids.map(async (pid) => [pid, await stateOf(pid)] as const));
  return states.flatMap(([pid, state]) => (state?.ppid === parent ? [pid] : []));
}

/** Whether one of them spins: it gets time for computing as long as it is looked at. */
async function isBusy(pids: number[]): Promise<boolean> {
  const ticks = async () =>
    (await Promise.all(pids.map(stateOf))).map((state) => state?.ticks ?? 0);
  const before = await ticks();
  await new Promise((go) => setTimeout(go, 300));
  return (await ticks()).some((now, n) => now > (before[n] ?? 0) + 3);
}
