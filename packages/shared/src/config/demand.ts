import { ConfigError } from "./config-error.ts";
import { readEnvironment, type Config, type Environment } from "./config.ts";

/** A configuration with what a process can't do without. */
export type WorkerConfig = Config & { readonly databaseUrl: string };
export type ApiConfig = Config & {
  readonly databaseUrl: string;
  readonly planeApiKeys: readonly [string, ...string[]];
};

/** What is said of a variable that a process can't do without. */
const missing = {
  DATABASE_URL:
    "DATABASE_URL is not set. Set it to a connection string such as postgres://user:password@host:5432/tl_engine, or use npm start, which brings its own Postgres.",
  TL_PLANE_API_KEY:
    "TL_PLANE_API_KEY is not set. It is tl-plane's X-API-Key, at least 32 characters; make one with: openssl rand -hex 32",
};
const apiDemands = ["DATABASE_URL", "TL_PLANE_API_KEY"] as const;
const workerDemands = ["DATABASE_URL"] as const;

/**
 * The API process's configuration. Demands DATABASE_URL and TL_PLANE_API_KEY; without a JWT secret
 * or key set bearer tokens are refused, and without TL_SECRET_KEY no secret can be kept.
 * @throws ConfigError naming every wrong and every missing variable
 */
export function loadApiConfig(env: Environment): ApiConfig {
  return load(env, apiDemands) as ApiConfig;
}

/**
 * The configuration of a worker, and of a migration: demands DATABASE_URL.
 * @throws ConfigError naming every wrong and every missing variable
 */
export function loadWorkerConfig(env: Environment): WorkerConfig {
  return load(env, workerDemands) as WorkerConfig;
}

function load(env: Environment, demands: readonly (keyof typeof missing)[]): Config {
  const { config, problems } = readEnvironment(env);
  for (const name of demands) if (!env[name]?.trim()) problems.push(missing[name]);
  if (config === null || problems.length > 0) throw new ConfigError(problems);
  return config;
}
