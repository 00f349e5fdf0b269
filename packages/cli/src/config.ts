import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readDeployment, type Deployment } from "./deployment.ts";
import type { Environment, Secrets } from "./surroundings.ts";
import { UsageError } from "./usage-error.ts";

/** As whom a command calls: tl-plane may do everything, a program runs executions of its own. */
export type Role = "plane" | "program";

export interface ApiAccess {
  baseUrl: string;
  apiKey: string;
  /** Where the key came from, for messages: never the key itself. */
  source: string;
}

export interface TokenSigning {
  secret: string;
  issuer: string;
  audience: string;
}

/** What the environment and the data folder say. Nothing is read or refused before a command needs it. */
export interface CliConfig {
  /** @throws UsageError when there is no address or no key */
  api(role: Role): ApiAccess;
  /** @throws UsageError when there is no secret */
  signing(): TokenSigning;
  /** @throws UsageError when the data folder's secrets can't be read */
  deployment(): Deployment;
  /** A variable of the environment that a user names, such as one that holds a secret. */
  variable(name: string): string | undefined;
  /** Colours are wanted, as far as the environment says. */
  colors: boolean;
}

/** The one place of `tl` that knows the environment's variables. What is set there wins over the data folder. */
export function readConfig(env: Environment): CliConfig {
  const given = (name: string) => env[name]?.trim() || undefined;
  const dataDir = given("TL_DATA_DIR") ?? ".data";
  const file = join(dataDir, "secrets.json");
  return {
    api: (role) => apiAccess(role, given, file),
    signing: () => tokenSigning(given, file),
    deployment: () => readDeployment(env, dataDir, readSecrets(file)),
    variable: (name) => env[name],
    colors: !env["NO_COLOR"] && env["TERM"] !== "dumb",
  };
}

type Given = (name: string) => string | undefined;

function apiAccess(role: Role, given: Given, file: string): ApiAccess {
  const secrets = readSecrets(file);
  const baseUrl = checkedUrl(given("TL_URL")) ?? secrets?.url;
  if (!baseUrl) {
    throw new UsageError(
      `where is the API? Set TL_URL and TL_API_KEY, or start one here with \`npm start\` (there is no address in ${file}).`,
    );
  }
  const own = given("TL_API_KEY");
  if (own && !/^[\x21-\x7e]+$/.test(own)) {
    throw new UsageError("TL_API_KEY holds characters that no key has.");
  }
  // Whoever has both set wants each for what it is for.
  const planeKey = given("TL_PLANE_API_KEY")?.split(",")[0]?.trim();
  if (role === "plane" && planeKey) {
    return { baseUrl, apiKey: planeKey, source: "TL_PLANE_API_KEY" };
  }
  if (own) return { baseUrl, apiKey: own, source: "TL_API_KEY" };
  // The keys of this machine are for this machine's API: they are not shown to another server.
  if (!isLocal(baseUrl) && originOf(baseUrl) !== originOf(secrets?.url ?? "")) {
    throw new UsageError(
      `no key for ${baseUrl}: set TL_API_KEY (the keys in ${file} are for the API on this machine).`,
    );
  }
  const apiKey = role === "plane" ? secrets?.plane_api_key : secrets?.program_api_key;
  if (!apiKey) {
    throw new UsageError(
      `no key: set TL_API_KEY, or start the API here with \`npm start\`, which makes one and keeps it in ${file}.`,
    );
  }
  return { baseUrl, apiKey, source: file };
}

function tokenSigning(given: Given, file: string): TokenSigning {
  const secret = given("TL_JWT_SECRET") ?? readSecrets(file)?.jwt_secret;
  if (!secret) {
    throw new UsageError(
      `nothing to sign with: set TL_JWT_SECRET, or run \`npm start\` once, which makes a secret and keeps it in ${file}.`,
    );
  }
  if (Buffer.byteLength(secret) < 32) {
    throw new UsageError("TL_JWT_SECRET is shorter than 32 bytes; the API takes none of those.");
  }
  return {
    secret,
    issuer: given("TL_JWT_ISSUER") ?? "tl-engine",
    audience: given("TL_JWT_AUDIENCE") ?? "tl-engine",
  };
}

function readSecrets(file: string): Secrets | null {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new UsageError(`${file} can't be read: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(text) as Secrets;
  } catch {
    throw new UsageError(`${file} is not JSON.`);
  }
}

function checkedUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new UsageError(`TL_URL must be an address such as http://127.0.0.1:3000, not ${text}`);
  }
  return text;
}

function isLocal(url: string): boolean {
  return ["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname);
}

function originOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null;
}
