import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../test/services.ts";
import { repository, startDeployment, type Deployment } from "./support/deployment.ts";
import { request } from "./support/request.ts";

// The services in examples/ as their READMEs say, over the network to a deployment on Postgres alone.
const examples = join(repository, "examples");
const has = (command: string): boolean => spawnSync("which", [command]).status === 0;
const missing = (...commands: string[]): string | null => {
  const lacking = commands.filter((command) => !has(command));
  return lacking.length === 0 ? null : lacking.join(", ");
};
const pythonLacks = missing("python3");
const shellLacks = missing("bash", "openssl", "jq", "curl", "sha256sum");
const secret = `whsec_${randomBytes(32).toString("base64")}`;

let database: FreshDatabase;
let folder: string;
let deployment: Deployment;
let python: ChildProcess | undefined;
let shell: Server | undefined;
let pythonUrl = "";
let shellUrl = "";

/** A port that nobody has; its number has to be known before the deployment is started that allows it. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Starts a process for each connection, with it as standard input and output: what inetd and socat do. */
async function listenFor(script: string, env: Record<string, string>): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const child = spawn(script, { env, stdio: ["pipe", "pipe", "inherit"] });
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
    child.stdin.on("error", () => undefined);
    socket.on("error", () => child.kill());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tl-examples-"));
  writeFileSync(join(folder, "secret"), `${secret}\n`);
  const pythonPort = await freePort();
  const env: Record<string, string> = { PATH: process.env["PATH"] ?? "", SIGNING_SECRET: secret };
  database = await freshDatabase();
  const shellEnv = { ...env };
  shell = await listenFor(join(examples, "remote-engine-shell", "service.sh"), shellEnv);
  const shellPort = (shell.address() as AddressInfo).port;
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: null,
    apis: 1,
    workers: 1,
    env: { TL_OUTBOUND_ALLOW: `127.0.0.1:${pythonPort},127.0.0.1:${shellPort}` },
  });
  shellEnv["TL_URL"] = deployment.apis[0]!.url;
  if (pythonLacks === null) {
    python = spawn("python3", [join(examples, "remote-engine-python", "service.py")], {
      env: { ...env, TL_URL: deployment.apis[0]!.url, PORT: String(pythonPort) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(createInterface({ input: python.stdout! }), "line");
  }
  [pythonUrl, shellUrl] = [`http://127.0.0.1:${pythonPort}`, `http://127.0.0.1:${shellPort}`];
});
afterAll(async () => {
  python?.kill();
  shell?.close();
  await deployment?.stop();
  await database?.drop({ force: true });
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

/** `tl` as its user calls it. */
function tl(...args: string[]): string {
  return execFileSync(process.execPath, [join(repository, "packages/cli/src/main.ts"), ...args], {
    env: {
      PATH: process.env["PATH"],
      TL_URL: deployment.apis[0]!.url,
      TL_API_KEY: deployment.planeKey,
      TL_DATA_DIR: folder,
    },
    encoding: "utf8",
  });
}

/** The README's commands. */
function offer(connection: string, url: string, example: string): void {
  const options = ["--hmac", "standard_webhooks", "--secret", `@${join(folder, "secret")}`];
  tl("connections", "create", connection, "--base-url", url, ...options);
  const file = join(examples, example, "engines.yaml");
  expect(tl("engines", "register", file)).toContain("Registered");
  // Again, as after a change of the file.
  expect(tl("engines", "register", file)).toContain("Changed");
}
const run = (engine: string, input: unknown): Promise<unknown> =>
  deployment.client().run(engine, input);
const refusesStrangers = async (url: string): Promise<void> => {
  const answer = await request(url, { json: { input: { text: "x" } } });
  expect([answer.status, answer.json.detail]).toEqual([401, "the signature does not fit"]);
};

describe.skipIf(pythonLacks !== null)(
  `in Python${pythonLacks === null ? "" : ` (skipped: there is no ${pythonLacks} here)`}`,
  () => {
    test("answers at once and later, and only to its platform", async () => {
      offer("words-service", pythonUrl, "remote-engine-python");
      const output = { words: 3, counts: { héllo: 2, wörld: 1 } };
      expect(await run("words", { text: "Héllo wörld héllo" })).toEqual(output);
      expect(await run("words-later", { text: "Héllo wörld héllo" })).toEqual(output);
      await refusesStrangers(`${pythonUrl}/words`);
    });
  },
);

describe.skipIf(shellLacks !== null)(
  `in shell${shellLacks === null ? "" : ` (skipped: there is no ${shellLacks} here)`}`,
  () => {
    test("answers at once and later, and only to its platform", async () => {
      offer("sha256-service", shellUrl, "remote-engine-shell");
      const output = { sha256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" };
      expect(await run("sha256", { text: "hello\n" })).toEqual(output);
      expect(await run("sha256-later", { text: "hello\n" })).toEqual(output);
      await refusesStrangers(`${shellUrl}/sha256`);
    });
  },
);
