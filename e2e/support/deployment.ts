import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { createClient, type Client, type ClientOptions } from "@tl-engine/client";
import { SignJWT } from "jose";
import { startProcess, type LogLine, type RunningProcess } from "./running-process.ts";

export const repository = join(import.meta.dirname, "..", "..");

/** How long a process may take to start where everything else on the machine wants its cores, ms. */
const slowStartMs = 60_000;
/** Also an API that waits for its database is given up one day, ms. */
const longestStartMs = 600_000;

/** One API process that listens. */
export interface Api extends RunningProcess {
  readonly url: string;
  readonly metricsUrl: string;
  /** Resolves once it can record. */
  ready(): Promise<void>;
  /** Whether it can: before that, nothing that balances load sends anything here. */
  readonly isReady: boolean;
}

/** One worker process. */
export interface Worker extends RunningProcess {
  readonly metricsUrl: string;
  /** Its id in the record; resolves once it takes work. */
  ready(): Promise<string>;
}

export interface DeploymentOptions {
  databaseUrl: string;
  /** null: BullMQ on Postgres. */
  redisUrl: string | null;
  apis: number;
  workers: number;
  /** File names in `e2e/engines`, without `.ts`. */
  engines?: readonly string[];
  /** More variables for all processes. */
  env?: Record<string, string>;
  /** False: the start does not wait until everything is ready. */
  awaitReady?: boolean;
}

/** How one process differs from the others of its deployment. */
export interface StartOneOptions {
  /** Another entry point than the app's own: a path from the root of the repository, or an absolute one. */
  entryPoint?: string;
  args?: readonly string[];
  /** More variables for this process. */
  env?: Record<string, string>;
}

/** API and worker processes on one database, as an operator would run them. */
export interface Deployment {
  readonly apis: Api[];
  readonly workers: Worker[];
  readonly planeKey: string;
  /** What else all processes were given and nobody may ever see. */
  readonly secrets: readonly string[];
  /** One more; it is added to the list once it listens, and may not be ready. */
  startApi(options?: StartOneOptions): Promise<Api>;
  /** The same for a worker. */
  startWorker(options?: StartOneOptions): Promise<Worker>;
  /** A client of one API, as tl-plane unless another credential is given. */
  client(api?: number, options?: Partial<ClientOptions>): Client;
  /** A front end's token. */
  token(subject: string, claims?: Record<string, unknown>): Promise<string>;
  /** What each process said last, the living ones first; at most so many characters of each. */
  lastWords(characters?: number): string;
  /**
   * Shows what the processes said if the test that runs now fails.
   *
   * @param onFailure the test runner's hook: vitest's `onTestFailed`
   */
  showLogsOnFailure(onFailure: (show: () => void) => void): void;
  /** Ends all. */
  stop(): Promise<void>;
}

/** Starts a deployment; processes that can't start fail it with their own words. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const { databaseUrl, redisUrl, engines = [], awaitReady = true } = options;
  const planeKey = randomBytes(32).toString("hex");
  const jwtSecret = randomBytes(32).toString("hex");
  const secretKey = randomBytes(32).toString("base64");
  const env: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    DATABASE_URL: databaseUrl,
    ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
    PORT: "0",
    TL_METRICS_PORT: "0",
    TL_PLANE_API_KEY: planeKey,
    TL_JWT_SECRET: jwtSecret,
    TL_SECRET_KEY: secretKey,
    TL_THREADS: "2",
    TL_ENGINES: engines
      .map((name) => join(import.meta.dirname, "..", "engines", `${name}.ts`))
      .join(","),
    ...options.env,
  };
  const apis: Api[] = [];
  const workers: Worker[] = [];
  const count = { api: 0, worker: 0 };
  const startOne = (app: "api" | "worker", given: StartOneOptions = {}): RunningProcess =>
    startProcess({
      name: `${app} ${count[app]++}`,
      entry: resolve(repository, given.entryPoint ?? join("apps", app, "src", "main.ts")),
      args: given.args ?? [],
      env: { ...env, ...given.env },
      cwd: repository,
    });
  /** One that never got so far is in no list: nobody else would end it. */
  const orEnd = <T>(started: RunningProcess, sign: Promise<T>): Promise<T> =>
    sign.catch(async (error: unknown) => {
      await started.kill();
      throw error;
    });
  const named = (msg: string) => (line: LogLine) => line.msg === msg;

  const deployment: Deployment = {
    apis,
    workers,
    planeKey,
    secrets: [jwtSecret, secretKey],
    async startApi(given) {
      const started = startOne("api", given);
      const [listening, metrics] = await orEnd(
        started,
        Promise.all([
          started.says("listening", named("listening"), slowStartMs),
          started.says("metrics", named("metrics"), slowStartMs),
        ]),
      );
      let isReady = false;
      started.says("ready", named("ready"), longestStartMs).then(
        () => (isReady = true),
        () => undefined,
      );
      const api: Api = Object.defineProperties(started, {
        url: { value: `http://127.0.0.1:${String(listening["port"])}` },
        metricsUrl: { value: `http://127.0.0.1:${String(metrics["port"])}` },
        ready: {
          value: () => started.says("ready", named("ready"), slowStartMs).then(() => undefined),
        },
        isReady: { get: () => isReady },
      }) as Api;
      apis.push(api);
      return api;
    },
    async startWorker(given) {
      const started = startOne("worker", given);
      const metrics = await orEnd(started, started.says("metrics", named("metrics"), slowStartMs));
      const worker: Worker = Object.defineProperties(started, {
        metricsUrl: { value: `http://127.0.0.1:${String(metrics["port"])}` },
        ready: {
          value: async () =>
            (await started.says("taking work", named("taking work"), slowStartMs))[
              "worker_id"
            ] as string,
        },
      }) as Worker;
      workers.push(worker);
      return worker;
    },
    client(api = 0, given = {}) {
      const baseUrl = apis[api]?.url;
      if (baseUrl === undefined) throw new Error(`There is no API ${api}`);
      const credential = given.apiKey || given.token ? {} : { apiKey: planeKey };
      return createClient({ baseUrl, ...credential, ...given });
    },
    token: (subject, claims = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(subject)
        .setIssuer("tl-engine")
        .setAudience("tl-engine")
        .setIssuedAt()
        .setExpirationTime("10m")
        .sign(new TextEncoder().encode(jwtSecret)),
    lastWords: (characters = 20_000) =>
      [...apis, ...workers]
        .toSorted((a, b) => Number(a.ended !== null) - Number(b.ended !== null))
        .map((one) => {
          const said = one.text().slice(-characters);
          return `--- ${one.name} (${one.ended ? "ended" : "lives"}) said:\n${said}`;
        })
        .join("\n"),
    showLogsOnFailure(onFailure) {
      onFailure(() => console.log(deployment.lastWords()));
    },
    async stop() {
      await Promise.all(
        [...apis, ...workers].map((one) => {
          one.signal("SIGCONT");
          return one.kill();
        }),
      );
    },
  };

  try {
    await Promise.all([
      ...Array.from({ length: options.apis }, () => deployment.startApi()),
      ...Array.from({ length: options.workers }, () => deployment.startWorker()),
    ]);
    if (awaitReady) await Promise.all([...apis, ...workers].map((one) => one.ready()));
  } catch (error) {
    await deployment.stop();
    throw error;
  }
  return deployment;
}
