import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "./free-port.ts";
import { isAlive, isPostgres, readPostmaster } from "./postmaster-file.ts";

let folder: string;
let port: number;
const running: ChildProcess[] = [];

/** Stands for the API: answers what the supervisor asks, and shows what it was given. */
const api = `
  import { createServer } from "node:http";
  import { stopWithParent } from ${JSON.stringify(import.meta.resolve("@tl-engine/shared/process/stop-with-parent.ts"))};
  const answers = {
    "/readyz": [200, {}],
    "/env": [200, { pid: process.pid, database: process.env.DATABASE_URL, plane: process.env.TL_PLANE_API_KEY }],
    "/api/v1/engines": [200, { engines: [] }],
    "/api/v1/engines/status": [200, { engines: [{ id: "echo", workers: 1 }] }],
    "/api/v1/keys": [201, { key: "tlk_made" }],
  };
  const server = createServer((request, response) => {
    const [status, body] = answers[request.url] ?? [404, {}];
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }).listen(process.env.PORT, "127.0.0.1");
  const stop = () => { server.close(); server.closeAllConnections(); };
  process.once("SIGTERM", stop);
  stopWithParent(stop);`;

const worker = `
  import { stopWithParent } from ${JSON.stringify(import.meta.resolve("@tl-engine/shared/process/stop-with-parent.ts"))};
  const alive = setInterval(() => {}, 1000);
  process.once("SIGTERM", () => clearInterval(alive));
  stopWithParent(() => clearInterval(alive));`;

const supervisor = `
  import { runLocal } from ${JSON.stringify(import.meta.resolve("./run-local.ts"))};
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());
  try {
    await runLocal({
      env: process.env, root: process.env.FOLDER, watch: false, stop: stop.signal, hurry: AbortSignal.any([]),
      entries: { api: process.env.FOLDER + "/api.mjs", worker: process.env.FOLDER + "/worker.mjs" },
      say: (text) => process.send({ text }),
    });
  } catch (error) {
    process.send({ error: error.message });
    process.exitCode = 1;
  }
  process.disconnect();`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tl-engine-local-"));
  port = await freePort();
  writeFileSync(join(folder, "api.mjs"), api);
  writeFileSync(join(folder, "worker.mjs"), worker);
});

afterAll(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
});

function start(changes: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, ["--input-type=module", "-e", supervisor], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: {
      PATH: process.env["PATH"],
      FOLDER: folder,
      TL_DATA_DIR: join(folder, "data"),
      PORT: String(port),
      ...changes,
    },
  });
  running.push(child);
  return child;
}

/** The next thing it says that matches, or its error. */
async function says(child: ChildProcess, pattern: RegExp): Promise<string> {
  for (;;) {
    const [message] = (await once(child, "message")) as [{ text?: string; error?: string }];
    const said = message.text ?? message.error ?? "";
    if (pattern.test(said) || message.error !== undefined) return said;
  }
}

async function environment(): Promise<{ pid: number; database: string; plane: string }> {
  return (await (await fetch(`http://127.0.0.1:${port}/env`)).json()) as never;
}

test("starts, refuses a second start, restarts a child, and survives a kill of everything", async () => {
  const dataDir = join(folder, "data");
  const first = start();
  const greeted = await says(first, /ready at/);
  expect(greeted).toContain(`curl -sS -H @`);
  expect(greeted).toContain(`http://127.0.0.1:${port}/docs`);
  expect(readFileSync(join(dataDir, "auth-header"), "utf8")).toBe("X-API-Key: tlk_made\n");
  expect(statSync(join(dataDir, "auth-header")).mode & 0o777).toBe(0o600);
  const before = await environment();
  expect(before.database).toMatch(/^postgresql:\/\/tl_engine:.+@127\.0\.0\.1:/);
  expect(before.plane.length).toBeGreaterThanOrEqual(32);

  expect(await says(start(), /./)).toMatch(
    new RegExp(`in use by another tl-engine \\(process ${first.pid}\\)`),
  );

  const restarted = says(first, /The API ended \(SIGKILL\)/);
  process.kill(before.pid, "SIGKILL");
  await restarted;

  // The supervisor and PostgreSQL at once; the children end by themselves.
  const cluster = join(dataDir, "postgres");
  const killed = readPostmaster(cluster)!.pid;
  const gone = once(first, "exit");
  process.kill(killed, "SIGKILL");
  first.kill("SIGKILL");
  await gone;

  const second = start();
  expect(await says(second, /ready at/)).toContain("ready at");
  const after = await environment();
  expect(after.plane).toBe(before.plane);
  const postgres = readPostmaster(cluster)!.pid;
  expect(postgres).not.toBe(killed);

  const ended = once(second, "exit");
  second.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  expect(isPostgres(postgres)).toBe(false);
  expect(isAlive(after.pid)).toBe(false);
  expect(readPostmaster(cluster)).toBeNull();
});

test("a taken port is said at once", async () => {
  const other = createServer().listen(port, "127.0.0.1");
  await once(other, "listening");
  expect(await says(start(), /./)).toMatch(/Port \d+ of 127\.0\.0\.1 is taken.*PORT=\d+ npm start/);
  other.close();
});
