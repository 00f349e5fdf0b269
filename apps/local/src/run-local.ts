import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { loadConfig, type Config, type Environment } from "@tl-engine/shared/config/config.ts";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import {
  apiEnvironment,
  workerEnvironment,
  type ChildEnvironmentOptions,
} from "./child-environment.ts";
import { claimPort, localUrl } from "./claim-port.ts";
import { fillCompileCache } from "./compile-cache.ts";
import { lockDataFolder } from "./data-folder-lock.ts";
import { greeting } from "./greeting.ts";
import { keepPostgres } from "./keep-postgres.ts";
import { keepProcess, type KeptProcess } from "./kept-process.ts";
import { endLeftOverChildren, forgetChildren, noteChildren } from "./left-over-children.ts";
import { changeSecrets, keepSecrets, writePrivateFile } from "./local-secrets.ts";
import { ensureProgramKey } from "./program-key.ts";
import { waitUntilReady } from "./wait-until-ready.ts";
import { watchSources } from "./watch-sources.ts";

export interface RunLocalOptions {
  env: Environment;
  /** The repository's folder. */
  root: string;
  /** Entry points of the two processes. */
  entries: { api: string; worker: string };
  /** What those load; it is compiled before their first start. */
  preload?: readonly string[];
  /** Restart on change of sources. */
  watch: boolean;
  /** Fires when everything is to stop. */
  stop: AbortSignal;
  /** Fires when it is to stop without waiting for what runs. */
  hurry: AbortSignal;
  say: (text: string) => void;
}

/** A process ended again and again before it was ready; its own words are above. */
export class NotReadyError extends Error {
  override name = "NotReadyError";
}

const readyTimeoutMs = 60_000;

/**
 * Brings up all of tl-engine on this machine and keeps it up until `stop` fires; then stops it in order.
 *
 * @throws errors whose message tells the user what to do (lock, port, PostgreSQL, configuration)
 */
export async function runLocal(options: RunLocalOptions): Promise<void> {
  const config = loadConfig(options.env);
  const dataDir = resolve(config.dataDir);
  await using undo = new AsyncDisposableStack();

  const lock = lockDataFolder(dataDir);
  undo.defer(() => lock.release());
  await endLeftOverChildren(dataDir);
  const port = await claimPort(config.port, config.host);
  const secrets = keepSecrets(dataDir);
  // Runs beside the first start of PostgreSQL, which takes longer.
  const cache = fillCompileCache(options.root, options.preload ?? []);

  let children: KeptProcess[] = [];
  const restartAll = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.restart(config.drainMs)));
  };
  const databaseUrl = await openDatabase(options, config, dataDir, undo, () => void restartAll());
  options.stop.throwIfAborted();
  await migrate(databaseUrl(), { onWait: options.say });
  await cache.filled;
  options.stop.throwIfAborted();

  children = startChildren(options, dataDir, () => ({
    env: options.env,
    secrets,
    databaseUrl: databaseUrl(),
    port,
    compileCache: cache.folder,
  }));
  undo.defer(async () => {
    await Promise.all(children.map((child) => child.stop(config.drainMs + 5_000, options.hurry)));
    forgetChildren(dataDir);
  });

  const url = localUrl(config.host, port);
  const planeKey = config.planeApiKeys[0] ?? secrets.plane_api_key;
  const workerReady = await untilReady(url, planeKey, children, options.stop);
  changeSecrets(dataDir, { url });
  const key = await ensureProgramKey(url, planeKey, dataDir, secrets);
  writePrivateFile(join(dataDir, "auth-header"), `X-API-Key: ${key}\n`);
  const database =
    config.databaseUrl === null ? `embedded PostgreSQL in ${config.dataDir}` : "PostgreSQL";
  const queue = config.redisUrl === null ? "PostgreSQL" : "Redis";
  options.say(greeting({ url, dataDir, database, queue, workerReady }));

  if (options.watch) {
    const watcher = watchSources(options.root, config.engines, (file) => {
      options.say(`${file} changed; API and worker start again.`);
      void migrate(databaseUrl(), { onWait: options.say })
        .then(restartAll)
        .catch((error: unknown) => options.say(String(error)));
    });
    undo.defer(() => watcher.close());
  }
  await fired(options.stop);
  options.say("Stopping: no new work is taken, what runs may end. Ctrl-C again stops at once.");
}

/** The database to use: the given one, or an embedded one that stops last. */
async function openDatabase(
  { say }: RunLocalOptions,
  config: Config,
  dataDir: string,
  undo: AsyncDisposableStack,
  onMoved: () => void,
): Promise<() => string> {
  const given = config.databaseUrl;
  if (given !== null) return () => given;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const postgres = await keepPostgres({ dataDir, say, onMoved });
  undo.defer(() => postgres.stop());
  return () => postgres.url();
}

function startChildren(
  { entries, watch, say }: RunLocalOptions,
  dataDir: string,
  environment: () => ChildEnvironmentOptions,
): KeptProcess[] {
  const noted = new Map<string, { pid: number; entry: string }>();
  const start = (
    name: string,
    entry: string,
    args: readonly string[],
    env: (options: ChildEnvironmentOptions) => NodeJS.ProcessEnv,
  ): KeptProcess =>
    keepProcess({
      name,
      entry,
      args,
      env: () => env(environment()),
      onStart: (pid) => {
        noted.set(name, { pid, entry });
        noteChildren(dataDir, [...noted.values()]);
      },
      onEnd: say,
      waitForMending: watch,
    });
  return [
    start("API", entries.api, [], apiEnvironment),
    // A developer's new code replaces the published version of the engine, whoever else serves it.
    start("worker", entries.worker, watch ? ["--replace-engines"] : [], workerEnvironment),
  ];
}

/**
 * Waits for the API, then for a worker that offers an engine.
 *
 * @returns whether there is such a worker
 * @throws NotReadyError when a process keeps ending, or the API does not get ready in time
 */
async function untilReady(
  url: string,
  planeKey: string,
  children: readonly KeptProcess[],
  stop: AbortSignal,
): Promise<boolean> {
  const giveUp = (): void => {
    stop.throwIfAborted();
    const refusing = children.find((child) => child.refused);
    if (refusing !== undefined) {
      throw new NotReadyError(`The ${refusing.name} cannot start; it says why above.`);
    }
    const failing = children.find((child) => child.endsInARow >= 3);
    if (failing !== undefined) {
      throw new NotReadyError(
        `The ${failing.name} ended three times before it was ready; it says why above.`,
      );
    }
  };
  const ready = await waitUntilReady(
    { url: `${url}/readyz`, accepts: (answer) => answer.ok },
    readyTimeoutMs,
    giveUp,
  );
  if (!ready)
    throw new NotReadyError(
      `The API is not ready after ${readyTimeoutMs / 1000} s: see ${url}/readyz`,
    );
  return waitUntilReady(
    {
      url: `${url}/api/v1/engines/status`,
      headers: { "X-API-Key": planeKey },
      accepts: async (answer) => {
        if (!answer.ok) return false;
        const { engines } = (await answer.json()) as { engines: { workers: number }[] };
        return engines.some((engine) => engine.workers > 0);
      },
    },
    readyTimeoutMs,
    giveUp,
  );
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
