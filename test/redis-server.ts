import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@tl-engine/local/free-port.ts";
import { makeRunFolder } from "./left-behind.ts";

/** A `redis-server` of our own on loopback, without persistence: a restart loses everything. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Starts it again, empty, on the same port. */
  start(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** Frozen: accepts connections and answers nothing, until `resume`. */
  pause(): void;
  resume(): void;
}

/** What to do when there is no `redis-server` on the PATH. */
export const redisRemedy = "redis-server is not on the PATH: apt-get install redis-server";

export class RedisMissingError extends Error {
  override name = "RedisMissingError";
  constructor() {
    super(redisRemedy);
  }
}

export interface RedisServerOptions {
  /** More arguments, as `["--maxmemory", "10mb"]`. */
  args?: readonly string[];
}

/** @throws RedisMissingError when there is no `redis-server` on the PATH */
export async function startRedisServer({
  args = [],
}: RedisServerOptions = {}): Promise<RedisServer> {
  let port = await freePort();
  let server: ChildProcess | null = null;
  let folder: string | null = null;
  // The process ends with us, also when a test forgets it; when we are killed, the next run ends it.
  const endWithUs = (): void => {
    server?.kill("SIGKILL");
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  };

  const start = async (): Promise<void> => {
    server = await launch(port, args);
    folder = makeRunFolder();
    writeFileSync(join(folder, "redis.pid"), String(server.pid));
    process.once("exit", endWithUs);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = server;
    process.off("exit", endWithUs);
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    server = folder = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, "exit");
    ending.kill("SIGCONT");
    ending.kill(signal);
    await exited;
  };

  for (let tries = 1; ; tries++) {
    try {
      await start();
      break;
    } catch (error) {
      // The port was free when we looked; somebody else may have taken it since.
      if (tries === 3 || error instanceof RedisMissingError) throw error;
      port = await freePort();
    }
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    pause: () => void server?.kill("SIGSTOP"),
    resume: () => void server?.kill("SIGCONT"),
  };
}

function launch(port: number, args: readonly string[]): Promise<ChildProcess> {
  const settings = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
  ];
  const more = ["--maxmemory-policy", "noeviction", "--databases", "1024", ...args];
  const server = spawn("redis-server", [...settings, ...more], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return new Promise((resolve, reject) => {
    let output = "";
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new RedisMissingError() : error),
    );
    server.once("exit", (code) =>
      reject(new Error(`redis-server ended with ${code}: ${output.slice(-500)}`)),
    );
    server.stdout.on("data", (chunk: Buffer) => {
      if (output.includes("Ready to accept connections")) return; // read on, or its pipe fills
      output += chunk.toString();
      if (output.includes("Ready to accept connections")) resolve(server);
    });
  });
}
