import { availableParallelism } from "node:os";
import { engineIdPattern } from "@tl-engine/contract";
import { z } from "zod";
import { ConfigError } from "./config-error.ts";
import { jwtSecret, planeKeys, secretKeys } from "./read-secret.ts";
import {
  duration,
  durationOrNull,
  list,
  oneOf,
  quoted,
  seconds,
  secretUrl,
  text,
  variable,
  wholeNumber,
} from "./read-value.ts";

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const mebibyte = 1024 * 1024;
const minute = 60_000;
const day = 86_400_000;
const word = /^\S+$/;

/** Every variable that tl-engine's processes read; the table is in the operations guide. */
const environment = z.object({
  PORT: wholeNumber(3000, 0, 65_535),
  TL_PUBLIC_URL: variable(null, readPublicUrl),
  HOST: text("127.0.0.1", /^[A-Za-z0-9.:_-]+$/, "an address or a host name to listen on"),
  DATABASE_URL: secretUrl(
    ["postgres:", "postgresql:"],
    "postgres://user:password@host:5432/tl_engine",
  ),
  REDIS_URL: secretUrl(["redis:", "rediss:"], "redis://host:6379"),
  TL_DATA_DIR: variable(".data", (value) => ({ value })),
  TL_PLANE_API_KEY: planeKeys(),
  TL_PLANE_RATE_LIMIT: wholeNumber(100_000, 1, 1_000_000_000),
  TL_JWT_SECRET: jwtSecret(),
  TL_JWT_JWKS_URL: variable(null, readJwksUrl),
  TL_JWT_ISSUER: text("tl-engine", word, "an issuer without spaces"),
  TL_JWT_AUDIENCE: text("tl-engine", word, "an audience without spaces"),
  TL_CORS_ORIGINS: list<string[]>([], checkOrigin),
  TL_SECRET_KEY: secretKeys(),
  TL_RATE_LIMIT: wholeNumber(1000, 1, 1_000_000_000),
  TL_READ_RATE_LIMIT: wholeNumber(null, 1, 10_000_000_000),
  TL_RATE_WINDOW_SECONDS: wholeNumber(3600, 1, 30 * 86_400),
  TL_MAX_BODY_BYTES: wholeNumber(mebibyte, 1024, 256 * mebibyte),
  TL_MAX_OUTPUT_BYTES: wholeNumber(8 * mebibyte, 1024, 256 * mebibyte),
  TL_ENGINES: list<string[]>([], () => null),
  TL_WORKER_ENGINES: list(null, checkEngineId),
  TL_WORKER_REMOTE_ENGINES: wholeNumber(null, 0, 1_000),
  TL_WORKER_CONCURRENCY: wholeNumber(10, 1, 10_000),
  TL_THREADS: wholeNumber(null, 1, 1024),
  TL_LEASE_SECONDS: seconds(15, 1, 3600),
  TL_GRACE_SECONDS: seconds(5, 0, 3600),
  TL_DRAIN_SECONDS: seconds(30, 0, 86_400),
  TL_RECONCILE_INTERVAL_MS: wholeNumber(1000, 10, 60_000),
  TL_OUTBOUND_ALLOW: variable("", (value) => ({ value })),
  TL_RETENTION: duration("7d", minute, 3_650 * day),
  TL_CALL_RETENTION: durationOrNull(minute, 3_650 * day, "the time of TL_RETENTION"),
  // An idempotency key counts for 24 h: what it stands for is known for at least as long.
  TL_TOMBSTONE_RETENTION: duration("90d", day, 3_650 * day),
  TL_METRICS_PORT: wholeNumber(null, 0, 65_535),
  LOG_LEVEL: oneOf("info", logLevels),
});

/** What the processes are told from outside. Times in milliseconds where the name says so. */
export interface Config {
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** Where services find the API, without a slash at its end; null: nobody said. */
  readonly publicUrl: string | null;
  readonly databaseUrl: string | null;
  /** null: BullMQ, signals and rate limits on Postgres. */
  readonly redisUrl: string | null;
  readonly dataDir: string;
  /** Empty, one, or two while they are rotated. */
  readonly planeApiKeys: readonly string[];
  readonly planeRateLimit: number;
  /** null: bearer tokens are refused. */
  readonly jwt:
    | { readonly kind: "secret"; readonly secret: string }
    | { readonly kind: "jwks"; readonly url: string }
    | null;
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
  /** Origins that browsers may call from, or `*` alone. */
  readonly corsOrigins: readonly string[];
  /** None, one, or two while they are rotated; 32 bytes in base64 each. The first encrypts stored secrets, all decrypt. */
  readonly secretKeys: readonly string[];
  readonly rateLimit: number;
  readonly readRateLimit: number;
  readonly rateWindowSeconds: number;
  readonly maxBodyBytes: number;
  readonly maxOutputBytes: number;
  /** File paths (from the working directory) or package names of engines. */
  readonly engines: readonly string[];
  /** Ids that this worker serves, `remote:<id>` or `remote:*` for remote ones; null: all. */
  readonly workerEngines: readonly string[] | null;
  /** Versions of remote engines that this worker serves at most; null: as many as its queue bears. */
  readonly workerRemoteEngines: number | null;
  readonly workerConcurrency: number;
  readonly threads: number;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly drainMs: number;
  readonly reconcileIntervalMs: number;
  /** Read by `parseAllowList` of packages/outbound. */
  readonly outboundAllow: string;
  readonly retentionMs: number;
  /** At most retentionMs: a call leaves with its execution at the latest. */
  readonly callRetentionMs: number;
  readonly tombstoneRetentionMs: number;
  /** null: the process's default, or the next free one after it. */
  readonly metricsPort: number | null;
  readonly logLevel: (typeof logLevels)[number];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment, once, for the whole process.
 * @throws ConfigError naming every wrong variable
 */
export function loadConfig(env: Environment): Config {
  const { config, problems } = readEnvironment(env);
  if (config === null) throw new ConfigError(problems);
  return config;
}

/** The configuration, or null with what is wrong: a caller that demands more adds its own sentences. */
export function readEnvironment(env: Environment): { config: Config | null; problems: string[] } {
  const read = environment.safeParse(env);
  const problems = read.success
    ? []
    : read.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`);
  if (env["TL_JWT_SECRET"]?.trim() && env["TL_JWT_JWKS_URL"]?.trim()) {
    problems.push(
      "TL_JWT_SECRET and TL_JWT_JWKS_URL are both set, but tokens are checked by one of them; remove the other.",
    );
  }
  const { TL_CALL_RETENTION: calls = null, TL_RETENTION: executions = 0 } = read.data ?? {};
  if (calls !== null && calls > executions) {
    problems.push(
      "TL_CALL_RETENTION must be at most TL_RETENTION: calls leave with their execution at the latest.",
    );
  }
  const ok = read.success && problems.length === 0;
  return { config: ok ? describeConfig(read.data) : null, problems };
}

function describeConfig(env: z.output<typeof environment>): Config {
  return {
    port: env.PORT,
    host: env.HOST,
    publicUrl: env.TL_PUBLIC_URL,
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    dataDir: env.TL_DATA_DIR,
    planeApiKeys: env.TL_PLANE_API_KEY,
    planeRateLimit: env.TL_PLANE_RATE_LIMIT,
    jwt:
      env.TL_JWT_SECRET !== null
        ? { kind: "secret", secret: env.TL_JWT_SECRET }
        : env.TL_JWT_JWKS_URL !== null
          ? { kind: "jwks", url: env.TL_JWT_JWKS_URL }
          : null,
    jwtIssuer: env.TL_JWT_ISSUER,
    jwtAudience: env.TL_JWT_AUDIENCE,
    corsOrigins: env.TL_CORS_ORIGINS,
    secretKeys: env.TL_SECRET_KEY,
    rateLimit: env.TL_RATE_LIMIT,
    readRateLimit: env.TL_READ_RATE_LIMIT ?? env.TL_RATE_LIMIT * 10,
    rateWindowSeconds: env.TL_RATE_WINDOW_SECONDS,
    maxBodyBytes: env.TL_MAX_BODY_BYTES,
    maxOutputBytes: env.TL_MAX_OUTPUT_BYTES,
    engines: env.TL_ENGINES,
    workerEngines: env.TL_WORKER_ENGINES,
    workerRemoteEngines: env.TL_WORKER_REMOTE_ENGINES,
    workerConcurrency: env.TL_WORKER_CONCURRENCY,
    threads: env.TL_THREADS ?? availableParallelism(),
    leaseMs: env.TL_LEASE_SECONDS,
    graceMs: env.TL_GRACE_SECONDS,
    drainMs: env.TL_DRAIN_SECONDS,
    reconcileIntervalMs: env.TL_RECONCILE_INTERVAL_MS,
    outboundAllow: env.TL_OUTBOUND_ALLOW,
    retentionMs: env.TL_RETENTION,
    callRetentionMs: env.TL_CALL_RETENTION ?? env.TL_RETENTION,
    tombstoneRetentionMs: env.TL_TOMBSTONE_RETENTION,
    metricsPort: env.TL_METRICS_PORT,
    logLevel: env.LOG_LEVEL,
  };
}

/** Keys fetched over plain HTTP could be anybody's; on loopback nobody stands between. */
function readJwksUrl(value: string): { value: string } | { wrong: string } {
  const url = URL.parse(value);
  const loopback = url !== null && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url && !url.username && !url.password) {
    if (url.protocol === "https:" || (url.protocol === "http:" && loopback)) return { value };
  }
  return {
    wrong: "must be an https address of a JWK set (http on loopback only), without a user.",
  };
}

function checkOrigin(item: string): string | null {
  if (item === "*" || (/^https?:/.test(item) && URL.parse(item)?.origin === item)) return null;
  return `must list origins such as https://app.example.com (no path, no slash at the end), not ${quoted(item)}.`;
}

function checkEngineId(item: string): string | null {
  const id = item.startsWith("remote:") ? item.slice("remote:".length) : item;
  return engineIdPattern.test(id) || item === "remote:*"
    ? null
    : `must list engine ids separated by commas (remote:<id> or remote:* for remote ones), not ${quoted(item)}; or leave it out for all.`;
}

/** What services of remote engines are told, to complete what they were given. */
function readPublicUrl(value: string): { value: string } | { wrong: string } {
  const url = URL.parse(value);
  const isPlain = url !== null && !url.username && !url.password && !url.search && !url.hash;
  if (isPlain && /^https?:$/.test(url.protocol)) return { value: url.href.replace(/\/+$/, "") };
  return {
    wrong:
      "must be the address of the API such as https://engine.example.com, without user and query.",
  };
}
