import { error, ok, warning, wordsOf, type Finding } from "./finding.ts";

/** What came back for a GET. */
export interface Answer {
  status: number;
  text: string;
}

/** The way to other services, which the caller brings: this package has no door to the outside. Rejects without an answer. */
export type Get = (url: string) => Promise<Answer>;

/** Whether the API answers, and is able to work. */
export async function checkApi(url: string, get: Get): Promise<Finding[]> {
  const id = "api.reachable";
  const at = addressOf(url);
  const address = url.replace(/\/+$/, "");
  let alive: Answer;
  try {
    alive = await get(`${address}/healthz`);
  } catch (thrown) {
    return [
      error(
        id,
        `The API at ${at} does not answer`,
        wordsOf(thrown),
        "npm start   # or npm run api; if it is elsewhere: export TL_URL=https://…",
      ),
    ];
  }
  if (alive.status !== 200) {
    return [
      error(
        id,
        `What answers at ${at} is no API of tl-engine`,
        `/healthz says ${alive.status}`,
        "export TL_URL=https://…   # the address of the API itself, without a path",
      ),
    ];
  }
  const ready = await get(`${address}/readyz`);
  const { reasons, degraded } = readReadiness(ready.text);
  if (ready.status !== 200) {
    return [
      error(
        "api.ready",
        `The API at ${at} is not able to work`,
        reasons.join(", ") || `/readyz says ${ready.status}`,
        reasons.includes("migrations")
          ? "npm run migrate"
          : "# what it lacks is named above; it goes on by itself once it is there",
      ),
    ];
  }
  if (degraded.length > 0) {
    return [
      warning(
        "api.ready",
        `The API at ${at} is degraded`,
        degraded.join(", "),
        "# mend what it names; it goes on by itself",
      ),
    ];
  }
  return [ok(id, `The API at ${at} answers and is ready`)];
}

/** Whether the key set that tokens are checked with can be fetched. */
export async function checkKeySet(url: string, get: Get): Promise<Finding[]> {
  const id = "api.key_set";
  const at = addressOf(url);
  const remedy =
    'curl -fsS "$TL_JWT_JWKS_URL"   # from where the APIs run; mend the address or the network';
  try {
    const { status, text } = await get(url);
    const keys = status === 200 ? countKeys(text) : 0;
    if (keys > 0) return [ok(id, `The key set at ${at} has ${keys} keys`)];
    return [
      error(
        id,
        `There is no key set at ${at}`,
        status === 200
          ? "what it answers has no keys"
          : `it says ${status}; bearer tokens are refused`,
        remedy,
      ),
    ];
  } catch (thrown) {
    return [error(id, `The key set at ${at} cannot be fetched`, wordsOf(thrown), remedy)];
  }
}

/** Scheme, host and port alone: no user, no path, no query. */
export function addressOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "an address that cannot be read" : `${parsed.protocol}//${parsed.host}`;
}

function readReadiness(text: string): { reasons: string[]; degraded: string[] } {
  const body = readJson(text);
  const words = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
  return { reasons: words(body["reasons"]), degraded: words(body["degraded"]) };
}

function countKeys(text: string): number {
  const { keys } = readJson(text);
  return Array.isArray(keys) ? keys.length : 0;
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
