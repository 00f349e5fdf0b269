import type { Redis } from "ioredis";
import type pg from "pg";

/** Whether the queue's store still holds what was put into it. */
export interface Canary {
  /**
   * The number that was written last and is still there; null where there is none, 0 where something may have been lost
   * though it is.
   * @throws where the store cannot be reached
   */
  read(): Promise<number | null>;
  /**
   * Writes a number.
   * @throws where the store cannot be reached, and where it holds another number than this canary has seen last: then it
   *   was emptied just now, and a number would hide that
   */
  write(tick: number): Promise<void>;
}

const keys = ["tl:canary", "tl:canary:run"];

// The number, and which run of the server it was written in. A server that was started anew may lack what came after the
// number and before its end: with `appendfsync everysec` the last second, after a failover whatever was on the way.
const nowRun = `
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''`;
const readScript = `${nowRun}
local before = redis.call('GET', KEYS[2]) or ''
return { redis.call('GET', KEYS[1]), before == run and 1 or 0 }`;
const writeScript = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
${nowRun}
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], run)
return 1`;

/**
 * Redis can lose what it holds: emptied, restarted without its file, failed over with the last second missing. The
 * leader writes a growing number each second; a number that is missing, smaller than the one written last, or of an
 * earlier run of the server says that what came after it may be lost: an exact sign, where age can tell nothing.
 */
export function createRedisCanary(redis: Redis): Canary {
  let seen = "";
  return {
    async read() {
      const [found, sameRun] = (await redis.eval(readScript, keys.length, ...keys)) as [
        string | null,
        number,
      ];
      seen = found ?? "";
      if (found === null) return null;
      return sameRun === 1 ? Number(found) : 0;
    },
    async write(tick) {
      const written = await redis.eval(writeScript, keys.length, ...keys, seen, String(tick));
      if (written !== 1) throw new Error(changed);
      seen = String(tick);
    },
  };
}

/** The same for a queue on Postgres; see `migrations/0003_queue_canary.sql`. */
export function createPostgresCanary(pool: pg.Pool): Canary {
  let seen: number | null = null;
  return {
    async read() {
      const { rows } = await pool.query<{ tick: string }>({
        name: "read-canary",
        text: "SELECT tick FROM queue_canary",
      });
      seen = rows[0] === undefined ? null : Number(rows[0].tick);
      return seen;
    },
    async write(tick) {
      const { rowCount } =
        seen === null
          ? await pool.query({
              name: "put-canary",
              text: "INSERT INTO queue_canary (tick) VALUES ($1) ON CONFLICT DO NOTHING",
              values: [tick],
            })
          : await pool.query({
              name: "write-canary",
              text: "UPDATE queue_canary SET tick = $2 WHERE one AND tick = $1",
              values: [seen, tick],
            });
      if (rowCount !== 1) throw new Error(changed);
      seen = tick;
    },
  };
}

const changed = "the queue's store was emptied, or another process leads; looking again";
