import { Redis } from "ioredis";
import { Client } from "pg";

/** One place where something is kept, with all of its text. */
export interface Kept {
  place: string;
  text: string;
}

/**
 * All rows of all tables, as JSON (bytes as hex).
 * @param leaveOut names of columns, by table
 */
export async function textOfDatabase(
  url: string,
  leaveOut: Readonly<Record<string, readonly string[]>> = {},
): Promise<Kept[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string; quoted: string }>(
      `SELECT relname AS name, format('%I.%I', nspname, relname) AS quoted
         FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'm', 'v') AND nspname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const kept: Kept[] = [];
    for (const { name, quoted } of tables) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT (to_jsonb(t) - $1::text[])::text AS row FROM ${quoted} t`,
        [leaveOut[name] ?? []],
      );
      kept.push({ place: quoted, text: rows.map(({ row }) => row).join("\n") });
    }
    return kept;
  } finally {
    await client.end();
  }
}

/** All keys and values of one Redis database, as text. */
export async function textOfRedis(url: string): Promise<Kept[]> {
  const redis = new Redis(url);
  const read = async (key: string): Promise<unknown> => {
    switch (await redis.type(key)) {
      case "string":
        return redis.get(key);
      case "hash":
        return redis.hgetall(key);
      case "list":
        return redis.lrange(key, 0, -1);
      case "set":
        return redis.smembers(key);
      case "zset":
        return redis.zrange(key, "0", "-1", "WITHSCORES");
      case "stream":
        return redis.xrange(key, "-", "+");
      default:
        return null;
    }
  };
  try {
    const kept: Kept[] = [];
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(cursor);
      for (const key of keys) {
        kept.push({ place: `redis ${key}`, text: `${key} ${JSON.stringify(await read(key))}` });
      }
      cursor = next;
    } while (cursor !== "0");
    return kept;
  } finally {
    redis.disconnect();
  }
}

/** Where any of the secrets is found, as written, or encoded as databases and logs write them. */
export function findSecrets(
  kept: readonly Kept[],
  secrets: Readonly<Record<string, string>>,
): string[] {
  const found: string[] = [];
  for (const [name, secret] of Object.entries(secrets)) {
    const bytes = Buffer.from(secret);
    const forms = [
      secret,
      encodeURIComponent(secret),
      bytes.toString("base64").replace(/=+$/, ""),
      bytes.toString("base64url"),
      bytes.toString("hex"),
    ];
    for (const { place, text } of kept) {
      if (forms.some((form) => text.includes(form))) found.push(`${name} in ${place}`);
    }
  }
  return found;
}
