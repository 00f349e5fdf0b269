import { execFile, type ExecFileException } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@tl-engine/client";
import { freePort } from "@tl-engine/local/free-port.ts";
import { isAlive, isPostgres, readPostmaster } from "@tl-engine/local/postmaster-file.ts";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { makeRunFolder } from "../test/left-behind.ts";
import { repository } from "./support/deployment.ts";
import { makeEngineProject, type EngineProject } from "./support/engine-project.ts";
import { startProcess, type RunningProcess } from "./support/running-process.ts";

// What a user does with `npm start` and `tl`, from a project of his own with engines of his own.
let folder: string;
let dataDir: string;
let project: EngineProject;
let port: number;
const supervisors: RunningProcess[] = [];

beforeAll(async () => {
  folder = makeRunFolder();
  dataDir = join(folder, "data");
  [project, port] = await Promise.all([makeEngineProject(folder), freePort()]);
});
afterAll(async () => {
  await Promise.all(supervisors.map((one) => one.stop()));
  const left = readPostmaster(join(dataDir, "postgres"));
  if (left !== null && isAlive(left.pid)) process.kill(left.pid, "SIGQUIT");
  rmSync(folder, { recursive: true, force: true });
});

function environment(): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? folder,
    PORT: String(port),
    TL_DATA_DIR: dataDir,
    TL_ENGINES: project.engines.join(","),
    TL_LEASE_SECONDS: "2",
    NO_COLOR: "1",
  };
}

/** `npm start` without npm. */
function start(): RunningProcess {
  const started = startProcess({
    name: "npm start",
    entry: join(repository, "apps", "local", "src", "main.ts"),
    env: environment(),
    cwd: project.folder,
    ownGroup: true,
  });
  supervisors.push(started);
  onTestFailed(() => console.log(`npm start said:\n${started.text().slice(-20_000)}`));
  return started;
}

const greeted = (started: RunningProcess) =>
  started.says("ready at", ({ msg }) => msg.includes("tl-engine is ready at"), 30_000);

/** The processes that it has started, by what they say of themselves. */
async function childrenOf(started: RunningProcess): Promise<number[]> {
  const children = await Promise.all(
    ["api", "worker"].map((name) => started.says(name, ({ app }) => app === name)),
  );
  const pids = children.map(({ pid }) => pid as number);
  return [...pids, readPostmaster(join(dataDir, "postgres"))!.pid];
}

/** Which of them are there: API, worker, PostgreSQL. */
const alive = ([api, worker, postgres]: readonly number[]): boolean[] => [
  isAlive(api!),
  isAlive(worker!),
  // Not our child: where nobody reaps it, its id stays for a while.
  isPostgres(postgres!),
];

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function run(file: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      file,
      args,
      { cwd: project.folder, env: environment(), encoding: "utf8", timeout: 25_000 },
      (error: ExecFileException | null, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}
const tl = (...args: string[]): Promise<Ran> =>
  run(process.execPath, [join(repository, "packages", "cli", "bin", "tl.js"), ...args]);

/** The command that the greeting shows, as one would paste it. */
function printedCurl(started: RunningProcess): string {
  const lines = started.text().split("\n");
  const from = lines.findIndex((line) => line.trim().startsWith("curl "));
  expect(from).toBeGreaterThan(-1);
  const to = lines.findIndex((line, n) => n >= from && !line.endsWith("\\"));
  return lines.slice(from, to + 1).join("\n");
}

let keptId: string;

/** Several starts of everything, on whatever machine. */
const timeout = 60_000;

test(
  "npm start: the printed curl works, tl works, a second start says so, Ctrl-C ends all",
  { timeout },
  async () => {
    const startedAt = performance.now();
    const started = start();
    await greeted(started);
    const pasted = await run("bash", ["-c", printedCurl(started)]);
    expect(pasted).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(pasted.stdout)).toMatchObject({
      status: "succeeded",
      done: true,
      output: { message: "hello" },
    });
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    for (const file of ["auth-header", "secrets.json"]) {
      expect(statSync(join(dataDir, file)).mode & 0o777).toBe(0o600);
    }

    const executed = await tl("execute", "echo", "--input", '{"a":[1,2]}', "--wait", "--json");
    expect(executed).toMatchObject({ code: 0 });
    const execution = JSON.parse(executed.stdout);
    expect(execution).toMatchObject({ status: "succeeded", output: { a: [1, 2] } });
    keptId = execution.execution_id;
    const [human, refused, token] = await Promise.all([
      tl("execute", "echo", "--input", '"plain"', "--wait"),
      tl("execute", "nobody", "--input", "1"),
      tl("token", "--sub", "alice"),
    ]);
    expect(human.stdout).toContain("plain");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/no such engine/i);
    const asAlice = await fetch(`http://127.0.0.1:${port}/api/v1/engines`, {
      headers: { authorization: `Bearer ${token.stdout.trim()}` },
    });
    expect(asAlice.status).toBe(200);

    // Engines of an installed package, and of a file outside the repository.
    const [shouted, area] = await Promise.all([
      tl("execute", "acme.shout", "--input", '{"text":"loud"}', "--wait", "--json"),
      tl("execute", "area@2", "--input", '{"width":3,"height":4}', "--wait", "--json"),
    ]);
    expect(JSON.parse(shouted.stdout)).toMatchObject({ output: { text: "LOUD" } });
    expect(JSON.parse(area.stdout)).toMatchObject({ version: 2, output: { area: 12 } });

    const second = start();
    expect(await second.end).toMatchObject({ code: 1 });
    expect(second.text()).toContain(`in use by another tl-engine (process ${started.pid})`);

    const children = await childrenOf(started);
    expect(alive(children)).toEqual([true, true, true]);
    // As a terminal does it: to all of its group.
    process.kill(-started.pid, "SIGINT");
    expect(await started.end).toEqual({ code: 0, signal: null });
    expect(alive(children)).toEqual([false, false, false]);
  },
);

test(
  "the next start finds the data, recovers from kill -9 of everything, and ends on SIGTERM",
  { timeout },
  async () => {
    const started = start();
    await greeted(started);
    const found = await tl("status", keptId, "--json");
    expect(JSON.parse(found.stdout)).toMatchObject({ status: "succeeded", output: { a: [1, 2] } });
    // One that is still ahead when everything dies.
    const ahead = await tl("execute", "echo", "--input", "7", "--delay", "1s", "--json");
    const { execution_id: aheadId } = JSON.parse(ahead.stdout);
    const children = await childrenOf(started);
    for (const pid of [started.pid, ...children]) process.kill(pid, "SIGKILL");
    await started.end;

    const again = start();
    await greeted(again);
    const secrets = JSON.parse(readFileSync(join(dataDir, "secrets.json"), "utf8"));
    const client = createClient({
      baseUrl: `http://127.0.0.1:${port}`,
      apiKey: secrets.program_api_key,
    });
    expect(await client.wait(aheadId, { timeoutMs: 10_000 })).toMatchObject({
      status: "succeeded",
      output: 7,
    });
    const survivors = await childrenOf(again);
    expect(await again.stop()).toEqual({ code: 0, signal: null });
    expect(alive(survivors)).toEqual([false, false, false]);
    // Nobody's key stands in what was printed.
    for (const one of supervisors) {
      for (const name of ["plane_api_key", "program_api_key", "jwt_secret", "postgres_password"]) {
        expect(one.text().includes(secrets[name])).toBe(false);
      }
    }
    expect(existsSync(join(dataDir, "postgres", "postmaster.pid"))).toBe(false);
  },
);
