import type { Redis } from "ioredis";
import { readEnvironment, type Config, type Environment } from "../config/config.ts";
import { closeDatabase, openDatabase } from "../db/database.ts";
import { openRedis } from "../redis/open-redis.ts";
import { redisOptions } from "../redis/redis-options.ts";
import { judgeClock, postgresClock, redisClock } from "./clock-checks.ts";
import { checkPostgresAnswers, checkRedisAnswers } from "./connect-checks.ts";
import { checkConnectionLimit } from "./connection-checks.ts";
import { error, ok, warning, type Check, type Finding } from "./finding.ts";
import { checkMachine, readMachine } from "./machine-checks.ts";
import { checkNetwork } from "./network-checks.ts";
import { checkPostgresSettings, checkVacuum } from "./postgres-checks.ts";
import { checkApi, checkKeySet, type Get } from "./reach-checks.ts";
import { judgeRedis, readRedisInfo } from "./redis-checks.ts";
import { checkRemoval, checkRetentionSettings } from "./retention-checks.ts";
import { runChecks } from "./run-checks.ts";
import { checkSchema } from "./schema-checks.ts";
import { checkSecrets } from "./secret-checks.ts";
import { checkStoredSecrets } from "./stored-secret-checks.ts";
import { checkBacklog, checkOverdue, checkProcesses } from "./work-checks.ts";

export interface ExamineOptions {
  /** The deployment's environment, with what a data folder adds. */
  env: Environment;
  /** Where the API is; null: it is not looked for. */
  apiUrl: string | null;
  /** The secrets are those that `npm start` made for itself. */
  developmentSecrets: boolean;
  get: Get;
}

/** All that was found, and whether anything of the deployment answered at all. */
export interface Examination {
  findings: Finding[];
  reached: boolean;
}

/** Looks at a whole deployment from outside: environment, machine, Postgres, Redis, what waits, who lives. Changes nothing. */
export async function examine(options: ExamineOptions): Promise<Examination> {
  const { env, apiUrl, developmentSecrets, get } = options;
  const { config, findings: wrong } = readConfig(env);
  const [still, postgres, redis, api] = await Promise.all([
    runChecks([
      { id: "machine", look: () => checkMachine(readMachine()) },
      { id: "secrets", look: () => checkSecrets(config) },
      { id: "network", look: () => checkNetwork({ config, developmentSecrets }) },
      { id: "retention", look: () => checkRetentionSettings(config) },
    ]),
    examinePostgres(config),
    examineRedis(config),
    runChecks(apiChecks(config, apiUrl, get)),
  ]);
  const found = [...wrong, ...api, ...postgres, ...redis, ...still];
  const reached = found.some(
    ({ id, level }) => level !== "error" && (id.endsWith(".reachable") || id === "api.ready"),
  );
  return { findings: found, reached };
}

/** The configuration without its wrong variables, so that one of them does not hide everything else. */
function readConfig(env: Environment): { config: Config; findings: Finding[] } {
  const first = readEnvironment(env);
  if (first.config !== null) return { config: first.config, findings: missing(first.config) };
  const broken = new Set(first.problems.map((problem) => problem.split(" ")[0] ?? ""));
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !broken.has(name)));
  const second = readEnvironment(rest).config ?? readEnvironment({}).config;
  if (second === null) throw new Error("an empty environment is a good one");
  const findings = first.problems.map((problem) => {
    const [name = "", ...words] = problem.split(" ");
    const command = /Make one with: (.+)$/.exec(problem)?.[1];
    return error(
      "config.wrong",
      `${name} is wrong: the processes refuse to start with it`,
      words.join(" ").replace(/ Make one with: .+$/, ""),
      command === undefined
        ? `unset ${name}   # the default, or a value as said above`
        : `${name}=$(${command})`,
    );
  });
  return { config: second, findings: [...findings, ...missing(second, broken)] };
}

function missing(config: Config, broken: ReadonlySet<string> = new Set()): Finding[] {
  if (config.planeApiKeys.length > 0 || broken.has("TL_PLANE_API_KEY")) return [];
  return [
    warning(
      "config.missing",
      "TL_PLANE_API_KEY is not set here",
      "the API does not start without it; workers do not need it",
      "TL_PLANE_API_KEY=$(openssl rand -hex 32)",
    ),
  ];
}

async function examinePostgres(config: Config): Promise<Finding[]> {
  const { databaseUrl: url } = config;
  if (url === null) {
    return [
      error(
        "postgres.reachable",
        "There is no PostgreSQL to look at",
        "DATABASE_URL is not set, and no embedded one runs here",
        "npm start   # brings its own; or: export DATABASE_URL=postgres://user:password@host:5432/tl_engine",
      ),
    ];
  }
  const db = openDatabase({ url, max: 4, applicationName: "tl-doctor", onError: () => undefined });
  const { pool } = db;
  try {
    const answers = await checkPostgresAnswers(pool, url);
    if (answers.level === "error") return [answers];
    const general = await runChecks([
      { id: "postgres.settings", look: () => checkPostgresSettings(pool) },
      { id: "postgres.vacuum", look: () => checkVacuum(pool) },
      { id: "postgres.migrations", look: () => checkSchema(pool) },
      { id: "clock.postgres", look: async () => [judgeClock(await postgresClock(pool))] },
    ]);
    const migrated = !general.some(
      ({ id, level }) => id === "postgres.migrations" && level === "error",
    );
    const work = migrated
      ? await runChecks([
          {
            id: "postgres.connections",
            look: () => checkConnectionLimit(pool, config.redisUrl !== null),
          },
          { id: "work.processes", look: () => checkProcesses(pool) },
          { id: "work.backlog", look: () => checkBacklog(pool) },
          { id: "work.overdue", look: () => checkOverdue(pool) },
          { id: "secrets.stored", look: () => checkStoredSecrets(pool, config) },
          { id: "retention.removal", look: () => checkRemoval(pool, config) },
        ])
      : [];
    return [answers, ...general, ...work];
  } finally {
    await closeDatabase(db);
  }
}

async function examineRedis({ redisUrl: url }: Config): Promise<Finding[]> {
  if (url === null) return [ok("redis.unused", "No Redis: the queue is on PostgreSQL")];
  const redis = openRedis(
    url,
    {
      ...redisOptions("tl-doctor"),
      lazyConnect: true,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      commandTimeout: 5_000,
      maxRetriesPerRequest: 0,
    },
    () => undefined,
  );
  try {
    const answers = await checkRedisAnswers(redis, url);
    if (answers.level === "error") return [answers];
    return [answers, ...(await runChecks(redisChecks(redis)))];
  } finally {
    redis.disconnect();
  }
}

/** What a Redis that answers can be asked; also at the start of each process. */
export function redisChecks(redis: Redis): Check[] {
  return [
    { id: "redis.info", look: async () => judgeRedis(await readRedisInfo(redis)) },
    { id: "clock.redis", look: async () => [judgeClock(await redisClock(redis))] },
  ];
}

function apiChecks({ jwt }: Config, apiUrl: string | null, get: Get): Check[] {
  const checks: Check[] = [];
  if (apiUrl !== null) checks.push({ id: "api.reachable", look: () => checkApi(apiUrl, get) });
  if (jwt?.kind === "jwks")
    checks.push({ id: "api.key_set", look: () => checkKeySet(jwt.url, get) });
  return checks;
}
