import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { WindowAnswer, WindowAsk } from "./window-ask.ts";

/**
 * Counts, sets the expiry and answers in one script, by Redis' own time: a counter without an expiry
 * (INCR that was never followed by its EXPIRE) would lock a caller out for ever. A TTL longer than the
 * window, left by a longer window that was configured before, is cut as well. PEXPIRETIME came with Redis 7; before it the end of a
 * window is told to the millisecond only.
 */
const script = `
local name, window = KEYS[1], tonumber(ARGV[1])
local limit, cost, count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local used = tonumber(redis.call('GET', name) or '0')
local granted = math.max(0, math.min(count, math.floor((limit - used) / cost)))
if granted > 0 then redis.call('INCRBY', name, string.format('%.0f', granted * cost)) end
local left = redis.call('PTTL', name)
if left == -1 or left > window then
  redis.call('PEXPIRE', name, window)
  left = window
elseif left < 0 then
  left = window
end
local ends = redis.pcall('PEXPIRETIME', name)
if type(ends) ~= 'number' or ends < 0 then
  local time = redis.call('TIME')
  ends = time[1] * 1000 + math.floor(time[2] / 1000) + left
end
return {used, granted, left, ends}
`;

const sha = createHash("sha1").update(script).digest("hex");

/**
 * Takes an ask's requests from its window in Redis.
 * @throws what ioredis throws while Redis is away, full or silent
 */
export async function takeFromWindow(
  redis: Redis,
  windowMs: number,
  { name, limit, cost, count }: WindowAsk,
): Promise<WindowAnswer> {
  const values = [name, windowMs, limit, cost, count];
  const reply = await redis.evalsha(sha, 1, ...values).catch((error: unknown) => {
    // A Redis that was restarted knows no scripts.
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    return redis.eval(script, 1, ...values);
  });
  const [usedBefore, granted, leftMs, endsAtMs] = reply as [number, number, number, number];
  return { usedBefore, granted, leftMs, endsAtMs };
}
