import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment, Secrets } from "./surroundings.ts";

/** The deployment that `tl doctor` looks at. */
export interface Deployment {
  /** The environment of its processes: the given one, with what `npm start` fills in. */
  env: Environment;
  /** null: it is said nowhere. */
  apiUrl: string | null;
  /** tl-plane's key is the one that `npm start` made. */
  developmentSecrets: boolean;
}

/** What the environment and a data folder say about a deployment; the environment wins. */
export function readDeployment(
  env: Environment,
  dataDir: string,
  secrets: Secrets | null,
): Deployment {
  const given = (name: string) => env[name]?.trim() || undefined;
  const filled: Record<string, string | undefined> = { ...env };
  const fill = (name: string, value: string | null | undefined): void => {
    if (given(name) === undefined && value) filled[name] = value;
  };
  fill("DATABASE_URL", embeddedPostgres(dataDir, secrets?.postgres_password));
  fill("TL_PLANE_API_KEY", secrets?.plane_api_key);
  fill("TL_SECRET_KEY", secrets?.secret_key);
  if (given("TL_JWT_JWKS_URL") === undefined) fill("TL_JWT_SECRET", secrets?.jwt_secret);
  return {
    env: filled,
    apiUrl: given("TL_URL") ?? secrets?.url ?? null,
    developmentSecrets:
      secrets?.plane_api_key !== undefined && filled["TL_PLANE_API_KEY"] === secrets.plane_api_key,
  };
}

/** The server that runs in the data folder; line 4 of its `postmaster.pid` is its port. */
function embeddedPostgres(dataDir: string, password: string | undefined): string | null {
  if (password === undefined) return null;
  try {
    const lines = readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n");
    const port = Number(lines[3]);
    if (!Number.isInteger(port) || port < 1) return null;
    return `postgres://tl_engine:${encodeURIComponent(password)}@127.0.0.1:${port}/tl_engine`;
  } catch {
    // None runs there.
    return null;
  }
}
