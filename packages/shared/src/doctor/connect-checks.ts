import type { Redis } from "ioredis";
import type pg from "pg";
import { addressOf } from "./reach-checks.ts";
import { error, ok, wordsOf, type Finding } from "./finding.ts";

/** Whether Postgres lets us in; the first question of all. */
export async function checkPostgresAnswers(pool: pg.Pool, url: string): Promise<Finding> {
  const id = "postgres.reachable";
  const at = addressOf(url);
  try {
    await pool.query("SELECT 1");
    return ok(id, `PostgreSQL answers at ${at}`);
  } catch (thrown) {
    return error(
      id,
      `PostgreSQL at ${at} ${refusalOf(thrown)}`,
      wordsOf(thrown),
      postgresRemedy(thrown),
    );
  }
}

function codeOf(thrown: unknown): string {
  const code =
    typeof thrown === "object" && thrown !== null && "code" in thrown ? thrown.code : null;
  return typeof code === "string" ? code : "";
}

function refusalOf(thrown: unknown): string {
  switch (codeOf(thrown)) {
    case "28P01":
    case "28000":
      return "refuses the user or the password";
    case "3D000":
      return "has no such database";
    case "53300":
      return "takes no more connections";
    default:
      return "does not answer";
  }
}

function postgresRemedy(thrown: unknown): string {
  switch (codeOf(thrown)) {
    case "28P01":
    case "28000":
      return "# change the user or the password in DATABASE_URL; special characters in it have to be %-encoded";
    case "3D000":
      return 'createdb --maintenance-db="${DATABASE_URL%/*}/postgres" "${DATABASE_URL##*/}" && npm run migrate';
    case "53300":
      return "# close other sessions, or raise max_connections and restart PostgreSQL";
    default:
      return "docker compose up -d postgres   # or npm start, which brings its own; if it runs, mend DATABASE_URL or the network";
  }
}

/** Whether Redis lets us in. */
export async function checkRedisAnswers(redis: Redis, url: string): Promise<Finding> {
  const id = "redis.reachable";
  const at = addressOf(url);
  try {
    if (redis.status === "wait") await redis.connect();
    await redis.ping();
    return ok(id, `Redis answers at ${at}`);
  } catch (thrown) {
    const refused = /NOAUTH|WRONGPASS|NOPERM/.test(wordsOf(thrown));
    return error(
      id,
      `Redis at ${at} ${refused ? "refuses the user or the password" : "does not answer"}`,
      `${wordsOf(thrown)}; submits are recorded and enqueued when it is back, nothing starts meanwhile`,
      refused
        ? "# change the user or the password in REDIS_URL: redis://:password@host:6379"
        : "docker compose up -d redis   # if it runs, mend REDIS_URL or the network",
    );
  }
}
