import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What `.data/secrets.json` holds. Made once; `tl` reads it too. */
export interface LocalSecrets {
  /** tl-plane's `X-API-Key`. */
  plane_api_key: string;
  /** A program's `X-API-Key`; made in the database at the first start, null until then. */
  program_api_key: string | null;
  /** Signs front ends' tokens, HS256. */
  jwt_secret: string;
  /** 32 bytes in base64; encrypts connection secrets. */
  secret_key: string;
  postgres_password: string;
  /** Where the API listened last. */
  url: string | null;
}

const fileName = "secrets.json";

/**
 * The data folder's secrets; what is missing is made and kept first.
 *
 * @throws Error when the file is there but isn't JSON
 */
export function keepSecrets(dataDir: string): LocalSecrets {
  const kept = readKept(join(dataDir, fileName));
  const secrets: LocalSecrets = {
    plane_api_key: kept.plane_api_key ?? `tlp_${randomBytes(32).toString("base64url")}`,
    program_api_key: kept.program_api_key ?? null,
    jwt_secret: kept.jwt_secret ?? randomBytes(48).toString("base64url"),
    secret_key: kept.secret_key ?? randomBytes(32).toString("base64"),
    postgres_password: kept.postgres_password ?? randomBytes(24).toString("base64url"),
    url: kept.url ?? null,
  };
  if (JSON.stringify(kept) !== JSON.stringify(secrets)) writeSecrets(dataDir, secrets);
  return secrets;
}

/** Replaces some of the secrets and keeps the rest. */
export function changeSecrets(dataDir: string, changes: Partial<LocalSecrets>): LocalSecrets {
  const secrets = { ...keepSecrets(dataDir), ...changes };
  writeSecrets(dataDir, secrets);
  return secrets;
}

/** Writes a file that only its owner can read. Whole or not at all: a crash leaves the old one. */
export function writePrivateFile(path: string, text: string): void {
  rmSync(`${path}.new`, { force: true }); // the mode counts only for a file that is made now
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

function writeSecrets(dataDir: string, secrets: LocalSecrets): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writePrivateFile(join(dataDir, fileName), `${JSON.stringify(secrets, null, 2)}\n`);
}

function readKept(path: string): Partial<LocalSecrets> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  try {
    return JSON.parse(text) as Partial<LocalSecrets>;
  } catch (cause) {
    throw new Error(
      `${path} is not JSON. Restore it from a copy; without it the data folder can't be opened.`,
      {
        cause,
      },
    );
  }
}
