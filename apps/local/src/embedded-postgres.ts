import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import { embeddedBinaries, type EmbeddedBinaries } from "./embedded-binaries.ts";
import { freePort, portIsFree } from "./free-port.ts";
import { keepSecrets, writePrivateFile } from "./local-secrets.ts";
import { isPostgres, readPostmaster, removeForeignPostmasterFile } from "./postmaster-file.ts";
import { unprivilegedRunner, type UnprivilegedRunner } from "./unprivileged-runner.ts";

export interface EmbeddedPostgresOptions {
  /** Folder of the cluster (`postgres/`), its log and its password (`secrets.json`, 0600). */
  dataDir: string;
  /** For tests only: no fsync. A killed server still recovers; a crash of the machine loses the data. */
  fast?: boolean;
  /** The port to take if it is free; otherwise any free one. Clients outlive a restart on the same port. */
  port?: number;
}

/** A running server of our own, on loopback, asking for its password. */
export interface EmbeddedPostgres {
  /** The server's process: it outlives us, and ends by `stop` alone. */
  readonly pid: number;
  readonly port: number;
  /** @param database default `tl_engine`, which exists */
  connectionString(database?: string): string;
  /** Ends all sessions, writes everything to disk and stops the server. */
  stop(): Promise<void>;
}

/** PostgreSQL could not be started; the message has the reason and the end of its log. */
export class EmbeddedPostgresError extends Error {
  override name = "EmbeddedPostgresError";
}

const user = "tl_engine";
const defaultDatabase = "tl_engine";
const startSeconds = 60;

interface Cluster {
  folder: string;
  dir: string;
  log: string;
  password: string;
  fast: boolean;
  binaries: EmbeddedBinaries;
  runner: UnprivilegedRunner;
}

/**
 * Starts PostgreSQL from the programs that npm installed, in a folder of ours; makes the cluster first
 * if there is none. A server left running by a killed parent is used as it is; one that was killed
 * recovers. The caller holds the folder's lock (`lockDataFolder`): two at once would stop each other's server.
 *
 * @throws EmbeddedPostgresMissingError | CannotLeaveRootError | EmbeddedPostgresError
 */
export async function startEmbeddedPostgres({
  dataDir,
  fast = false,
  port,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const folder = realpathSync(dataDir);
  const binaries = embeddedBinaries();
  const cluster: Cluster = {
    folder,
    dir: join(folder, "postgres"),
    log: join(folder, "postgres.log"),
    password: keepSecrets(folder).postgres_password,
    fast,
    binaries,
    runner: await unprivilegedRunner(binaries.pgCtl, folder),
  };
  if (!existsSync(join(cluster.dir, "PG_VERSION"))) await makeCluster(cluster);
  cluster.runner.own(cluster.dir);

  const postmaster = (await runningServer(cluster)) ?? (await startServer(cluster, port));
  await ensureDatabase(cluster, postmaster.port);
  return {
    ...postmaster,
    connectionString: (database = defaultDatabase) =>
      connectionString(cluster, postmaster.port, database),
    stop: () => stopServer(cluster),
  };
}

/** Made under another name and renamed when done, so that a kill in the middle leaves no half cluster. */
async function makeCluster({
  folder,
  dir,
  password,
  fast,
  binaries,
  runner,
}: Cluster): Promise<void> {
  const unfinished = join(folder, "postgres.new");
  const passwordFile = join(folder, "postgres.password");
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  writePrivateFile(passwordFile, `${password}\n`);
  runner.own(unfinished);
  runner.own(passwordFile);
  try {
    const made = await runner.run(
      [
        binaries.initdb,
        `--pgdata=${unfinished}`,
        `--username=${user}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        // PostgreSQL's own collation: the same order on every system, whatever its C library has.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
        ...(fast ? ["--no-sync"] : []),
      ],
      { env: serverEnvironment() },
    );
    if (made.code !== 0) {
      throw new EmbeddedPostgresError(
        `initdb could not make a cluster in ${dir}: ${lastLines(made.output)}. ` +
          `If a library is missing, run \`npm rebuild ${binaries.packageName}\`.`,
      );
    }
    renameSync(unfinished, dir);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/**
 * The server that already runs in this folder, or null. `pg_ctl status` says yes for a moment after a
 * kill, and a server may be on its way up or down: it counts as running only when a session opens.
 */
async function runningServer(cluster: Cluster): Promise<{ pid: number; port: number } | null> {
  removeForeignPostmasterFile(cluster.dir);
  const deadline = performance.now() + startSeconds * 1000;
  for (;;) {
    const postmaster = readPostmaster(cluster.dir);
    if (postmaster === null || !isPostgres(postmaster.pid)) return null;
    if (await answers(cluster, postmaster.port)) return postmaster;
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError(
        `A PostgreSQL server (process ${postmaster.pid}) holds ${cluster.dir} but has not answered on port ` +
          `${postmaster.port} for ${startSeconds} s. End that process and start again. Its log: ${cluster.log}`,
      );
    }
    await delay(50);
  }
}

async function startServer(
  cluster: Cluster,
  wishedPort?: number,
): Promise<{ pid: number; port: number }> {
  const { folder, dir, log, fast, binaries, runner } = cluster;
  appendFileSync(log, "", { mode: 0o600 });
  runner.own(log);
  let port =
    wishedPort === undefined ? await freePort() : await portIsFree(wishedPort).catch(freePort);
  for (let tries = 1; ; tries++) {
    const logged = readFileSync(log).length;
    const settings = [
      `-h 127.0.0.1 -p ${port} -k ''`,
      "-c max_connections=200",
      "-c timezone=UTC",
      ...(fast ? ["-c fsync=off", "-c full_page_writes=off"] : []),
    ].join(" ");
    // No pipes: the server inherits them, and we would wait for their end as long as it lives.
    // Names from within the folder: pg_ctl hands them to a shell, which would read a `$` in a path.
    const started = await runner.run(
      [
        binaries.pgCtl,
        "start",
        "-D",
        "postgres",
        "-l",
        "postgres.log",
        "-w",
        "-t",
        String(startSeconds),
        "-o",
        settings,
      ],
      { cwd: folder, env: serverEnvironment(), capture: false },
    );
    const postmaster = readPostmaster(dir);
    if (started.code === 0 && postmaster !== null && (await answers(cluster, postmaster.port)))
      return postmaster;

    const reason = readFileSync(log).subarray(logged).toString();
    if (tries === 20 || !isPassing(reason)) {
      throw new EmbeddedPostgresError(
        `PostgreSQL did not start in ${dir}: ${lastLines(reason)}. Its log: ${log}`,
      );
    }
    await delay(250);
    if (reason.includes("could not bind")) port = await freePort();
  }
}

/**
 * Reasons that go away: the port was free when we looked and was taken since; the sessions of a server
 * that was killed need a moment to notice that it is gone.
 */
function isPassing(reason: string): boolean {
  return reason.includes("could not bind") || reason.includes("pre-existing shared memory block");
}

/**
 * Whether a session opens on this port with our password.
 *
 * @throws EmbeddedPostgresError when the password is refused: waiting would not help
 */
async function answers(cluster: Cluster, port: number): Promise<boolean> {
  const client = new Client({
    connectionString: connectionString(cluster, port, "postgres"),
    connectionTimeoutMillis: 5000,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "28P01") {
      throw new EmbeddedPostgresError(
        `PostgreSQL in ${cluster.dir} refuses the password of secrets.json beside it. ` +
          "Restore that file, or remove the whole folder if its data may go.",
      );
    }
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function ensureDatabase(cluster: Cluster, port: number): Promise<void> {
  const client = new Client({ connectionString: connectionString(cluster, port, "postgres") });
  await client.connect();
  try {
    const found = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [
      defaultDatabase,
    ]);
    if (found.rowCount === 0)
      await client.query(`CREATE DATABASE ${escapeIdentifier(defaultDatabase)}`);
  } finally {
    await client.end();
  }
}

async function stopServer({ folder, dir, binaries, runner, log }: Cluster): Promise<void> {
  const stop = (mode: "fast" | "immediate"): Promise<{ code: number | null; output: string }> =>
    runner.run(
      [binaries.pgCtl, "stop", "-D", "postgres", "-m", mode, "-w", "-t", String(startSeconds)],
      {
        cwd: folder,
        env: serverEnvironment(),
      },
    );
  const postmaster = readPostmaster(dir);
  if (postmaster === null) return;
  const isUp = (): boolean => isPostgres(postmaster.pid);
  if (!isUp()) return;
  // Sessions that don't end in time: stop at once, the next start recovers from the log.
  if ((await stop("fast")).code !== 0 && isUp()) await stop("immediate");
  // pg_ctl waits for the file to go, which the process outlives by a moment.
  for (let waits = 0; isUp(); waits++) {
    if (waits === 100)
      throw new EmbeddedPostgresError(`PostgreSQL in ${dir} does not stop. Its log: ${log}`);
    await delay(20);
  }
}

function connectionString({ password }: Cluster, port: number, database: string): string {
  return `postgresql://${user}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** Only what the programs need: a caller's PGPORT, PGDATA or PGOPTIONS would change what they do. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-5).join(" | ") || "no reason given";
}
