import type { Environment } from "@tl-engine/shared/config/config.ts";
import type { LocalSecrets } from "./local-secrets.ts";

export interface ChildEnvironmentOptions {
  /** What the supervisor was started with; it always wins. */
  env: Environment;
  secrets: LocalSecrets;
  databaseUrl: string;
  port: number;
  /** Folder of Node's compile cache. */
  compileCache: string;
}

/** The environment of the API: the supervisor's own, with what is unset filled in. */
export function apiEnvironment({
  env,
  secrets,
  databaseUrl,
  port,
  compileCache,
}: ChildEnvironmentOptions): NodeJS.ProcessEnv {
  const filled: Record<string, string | undefined> = {
    ...env,
    PORT: String(port),
    DATABASE_URL: databaseUrl,
  };
  const fill = (name: string, value: string): void => {
    if (!env[name]?.trim()) filled[name] = value;
  };
  fill("TL_PLANE_API_KEY", secrets.plane_api_key);
  fill("TL_SECRET_KEY", secrets.secret_key);
  fill("NODE_COMPILE_CACHE", compileCache);
  // Tokens are checked by a secret or by a key set, never by both.
  if (!env["TL_JWT_JWKS_URL"]?.trim()) fill("TL_JWT_SECRET", secrets.jwt_secret);
  return filled;
}

/** What lets in callers is the API's business alone: engines run where the worker does. */
const notForWorkers = ["TL_PLANE_API_KEY", "TL_JWT_SECRET"];

/** The environment of the worker: the same, without the secrets that it has no use for. */
export function workerEnvironment(options: ChildEnvironmentOptions): NodeJS.ProcessEnv {
  const env = apiEnvironment(options);
  for (const name of notForWorkers) delete env[name];
  return env;
}
