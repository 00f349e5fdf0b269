import { createCatalogue } from "@tl-engine/shared/catalogue/catalogue.ts";
import { publishEngines } from "@tl-engine/shared/catalogue/publish.ts";
import { createExecutionIds } from "@tl-engine/shared/executions/execution-ids.ts";
import { createExecutionReader } from "@tl-engine/shared/executions/read.ts";
import { createWatcher } from "@tl-engine/shared/executions/watch.ts";
import { createKey } from "@tl-engine/shared/keys/create-key.ts";
import { createKeyVerifier } from "@tl-engine/shared/keys/verify-key.ts";
import { silentLog } from "@tl-engine/shared/log/log.ts";
import { registerProcess } from "@tl-engine/shared/process/registry.ts";
import { openRateLimiter } from "@tl-engine/shared/rate-limit/open-rate-limiter.ts";
import { createCompletionTokens } from "@tl-engine/shared/remote-engines/completion-token.ts";
import { createSecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import { openStack, type Stack } from "@tl-engine/shared/testing/stack.ts";
import type { CreateKey } from "@tl-engine/contract";
import { SignJWT } from "jose";
import type { AnsweredRequest, ApiDeps, ApiSettings } from "../api-deps.ts";
import { createApp } from "../app.ts";
import { endpoints } from "../endpoints.ts";
import { createCompletions } from "../completions.ts";
import { createInputCheck, createOutputCheck } from "../input-validator.ts";
import { openapiText } from "../openapi.ts";
import { tokenVerifier } from "../verify-token.ts";
import { testEngines } from "./engines.ts";

export const planeKey = "plane-5f0c1d7b9a8e4f6032d1c4b7a9e8f605";
export const secretKey = "pk3VZ1Yx0n9fJ2cQ7hLw8sTtUe4RaMbGdKiNoPqSu6w=";
export const jwtSecret = "jwt-0c9d7f3b5a1e8642907f1c3d5b8a6e42";

const settings: ApiSettings = {
  maxBodyBytes: 1024 * 1024,
  maxOutputBytes: 8 * 1024 * 1024,
  corsOrigins: ["https://app.example.com"],
  planeApiKeys: [planeKey],
  rateLimit: 1_000_000,
  readRateLimit: 10_000_000,
  planeRateLimit: 100_000_000,
  rateWindowSeconds: 3600,
};

export interface AskInit {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  /** A header that says who asks; tl-plane where it is left out, nobody where it is null. */
  as?: Record<string, string> | null;
}

/** For what a signal between processes brings about: it may be lost, and then takes up to 5 s. */
export const soon = { timeout: 8_000 };

/** The API on a database of its own, asked in memory; executions are moved on by hand. */
export interface TestApi {
  stack: Stack;
  database: TestDatabase;
  answers: AnsweredRequest[];
  defects: unknown[];
  ask(path: string, init?: AskInit): Promise<Response>;
  /** A new program's credential. */
  program(wanted?: Partial<CreateKey>): Promise<Record<string, string>>;
  /** Starts a queued execution as a worker would. @returns its dispatch */
  start(id: string): Promise<number>;
  /** Starts and ends an execution. */
  finish(id: string, outputText?: string): Promise<void>;
  deps: ApiDeps;
  close(): Promise<void>;
}

/** What `freshDatabase` of the test services gives. */
export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

export interface TestApiOptions {
  database: TestDatabase;
  /** Somebody else drops the database. */
  borrowed?: boolean;
  settings?: Partial<ApiSettings>;
  deps?: Partial<ApiDeps>;
}

/** A front end's credential. */
export async function frontEnd(
  subject: string,
  claims: Record<string, unknown> = {},
): Promise<Record<string, string>> {
  const token = await new SignJWT({ sub: subject, iss: "tl-engine", aud: "tl-engine", ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(Buffer.from(jwtSecret));
  return { Authorization: `Bearer ${token}` };
}

/** Opens a {@link TestApi}. */
export async function openTestApi({
  database,
  borrowed = false,
  ...options
}: TestApiOptions): Promise<TestApi> {
  const stack = await openStack({ databaseUrl: database.url, redisUrl: null, kind: "api" });
  const { db, signals, errors } = stack;
  const onError = (error: unknown): void => void errors.push(error);

  const worker = await registerProcess(db, { kind: "worker", leaseMs: 600_000, onError });
  await publishEngines(db, signals, testEngines, { processId: worker.id, replace: true });
  await worker.serve(testEngines.map(({ id, version }) => ({ engineId: id, version, slots: 10 })));

  const catalogue = createCatalogue(db, signals, onError);
  await catalogue.ready();
  const reader = createExecutionReader(db.pool);
  const watcher = createWatcher({ pool: db.pool, reader, signals, onError });
  const keys = createKeyVerifier({ db, signals, onError });
  const limiter = openRateLimiter({
    redis: null,
    pool: db.pool,
    windowSeconds: 3600,
    log: silentLog,
    localGauge: { set: () => undefined },
    now: () => stack.registration.now(),
  });
  const answers: AnsweredRequest[] = [];
  const defects: unknown[] = [];
  const deps: ApiDeps = {
    settings: { ...settings, ...options.settings },
    db,
    signals,
    submitter: stack.submitter,
    now: () => stack.registration.now(),
    newExecutionId: createExecutionIds(() => stack.registration.now()),
    reader,
    watcher,
    catalogue,
    limiter,
    secretBox: createSecretBox([secretKey]),
    verifyKey: (key) => keys.verify(key),
    verifyToken: tokenVerifier({
      jwt: { kind: "secret", secret: jwtSecret },
      jwtIssuer: "tl-engine",
      jwtAudience: "tl-engine",
    }),
    checkInput: createInputCheck(),
    completionTokens: createCompletionTokens(createSecretBox([secretKey])),
    completions: createCompletions({
      db,
      signals,
      onError,
      dueIn: () => undefined,
      placeFreed: () => undefined,
    }),
    checkOutput: createOutputCheck(),
    openapi: () => openapiText(endpoints),
    readiness: () => Promise.resolve({ status: "ready", reasons: [], degraded: [] }),
    isStarting: () => false,
    reportAnswer: (answer) => void answers.push(answer),
    reportError: (error) => void defects.push(error),
    ...options.deps,
  };
  const app = createApp(deps);

  const engineOf = async (id: string) => {
    const { rows } = await db.pool.query<{ engine_id: string; version: number; dispatch: number }>(
      "SELECT engine_id, version, dispatch FROM executions WHERE id = $1",
      [id],
    );
    return rows[0]!;
  };
  const start = async (id: string): Promise<number> => {
    const { engine_id, version, dispatch } = await engineOf(id);
    const [started] = await stack.starter.start(
      { engineId: engine_id, version, concurrency: null },
      [[id, dispatch]],
      new AbortController().signal,
    );
    return started!.dispatch;
  };
  return {
    stack,
    database,
    answers,
    defects,
    deps,
    async ask(path, { method, headers, json, body, as } = {}) {
      const credential = as === undefined ? { "X-API-Key": planeKey } : (as ?? {});
      const payload = json === undefined ? body : JSON.stringify(json);
      return app.request(path, {
        method: method ?? (payload === undefined ? "GET" : "POST"),
        headers: {
          ...credential,
          ...(json !== undefined && { "Content-Type": "application/json" }),
          ...headers,
        },
        ...(payload !== undefined && { body: payload, duplex: "half" }),
      });
    },
    async program(wanted = {}) {
      const { key } = await createKey(db, { name: "a program", ...wanted });
      return { "X-API-Key": key };
    },
    start,
    async finish(id, outputText = '{"ok":true}') {
      const dispatch = await start(id);
      await stack.settler.settle({ id, dispatch, attempt: 1, outcome: "succeeded", outputText });
    },
    async close() {
      watcher.close();
      catalogue.close();
      await keys.close();
      await limiter.close();
      await worker.close();
      await stack.close();
      if (!borrowed) await database.drop();
    },
  };
}
