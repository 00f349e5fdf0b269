import type { Redis } from "ioredis";
import { error, ok, warning, type Finding } from "./finding.ts";

/** What BullMQ 6 refuses below, and what it recommends. */
const neededVersion = "5.0.0";
const recommendedVersion = "6.2.0";
const nearlyFull = 0.8;
const full = 0.95;

/** The command line for Redis; the address, with its password, stays in the variable. */
const cli = 'redis-cli -u "$REDIS_URL"';

/** Redis' own words about itself: `INFO`, by name. */
export type RedisInfo = ReadonlyMap<string, string>;

/** @throws where Redis cannot be reached */
export async function readRedisInfo(redis: Redis): Promise<RedisInfo> {
  const info = new Map<string, string>();
  for (const line of (await redis.info()).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) info.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return info;
}

/** All that can be said of a Redis that answers, from one `INFO`. */
export function judgeRedis(info: RedisInfo): Finding[] {
  return [
    judgeRedisVersion(info.get("redis_version") ?? ""),
    judgeRole(info),
    judgeEviction(info.get("maxmemory_policy") ?? ""),
    judgeMemory(info),
    judgePersistence(info),
  ].flat();
}

/** Whether BullMQ runs on this version at all. */
export function judgeRedisVersion(version: string): Finding {
  const id = "redis.version";
  if (version === "") return ok(id, "Redis does not say its version");
  if (isOlder(version, neededVersion)) {
    return error(
      id,
      `Redis ${version} is too old`,
      `the queue needs ${neededVersion} or newer, and refuses to start on this one`,
      "# upgrade Redis to 7.2 or newer, for example: image: redis:7.4\nunset REDIS_URL   # or run the queue on PostgreSQL",
    );
  }
  if (isOlder(version, recommendedVersion)) {
    return warning(
      id,
      `Redis ${version} is older than recommended`,
      `it works; the queue recommends ${recommendedVersion} or newer, tests run on 7.0`,
      "# upgrade Redis to 7.2 or newer, for example: image: redis:7.4",
    );
  }
  return ok(id, `Redis ${version}`);
}

function isOlder(version: string, than: string): boolean {
  const [have, want] = [version, than].map((text) => text.split(".").map((part) => parseInt(part)));
  for (const [index, part] of (want ?? []).entries()) {
    const mine = have?.[index] ?? 0;
    if (mine !== part) return mine < part;
  }
  return false;
}

function judgeRole(info: RedisInfo): Finding[] {
  if (info.get("cluster_enabled") === "1") {
    return [
      error(
        "redis.cluster",
        "This is a Redis Cluster",
        "a queue's keys lie on several of its nodes, and no script may touch them together",
        "# set REDIS_URL to a single primary (with replicas or not), not to a cluster",
      ),
    ];
  }
  if (info.get("role") === "slave") {
    return [
      error(
        "redis.role",
        "This Redis is a replica",
        "nothing can be written to it",
        `${cli} info replication   # master_host is the one that REDIS_URL has to name`,
      ),
    ];
  }
  return [];
}

function judgeEviction(policy: string): Finding {
  const id = "redis.eviction";
  if (policy === "" || policy === "noeviction") return ok(id, "Redis evicts nothing");
  return error(
    id,
    `Redis may throw jobs away: maxmemory-policy is ${policy}`,
    "what it evicts is put back from PostgreSQL, but late; rate limits start anew",
    `${cli} config set maxmemory-policy noeviction\n# and in redis.conf, so that it stays:\nmaxmemory-policy noeviction`,
  );
}

function judgeMemory(info: RedisInfo): Finding {
  const id = "redis.memory";
  const used = Number(info.get("used_memory") ?? 0);
  const limit = Number(info.get("maxmemory") ?? 0);
  const machine = Number(info.get("total_system_memory") ?? 0);
  const [most, name] = limit > 0 ? [limit, "maxmemory"] : [machine, "the machine's memory"];
  if (!(used > 0) || !(most > 0)) return ok(id, "Redis does not say how much memory it has");
  const share = used / most;
  const percent = Math.round(share * 100);
  const figures = `${mebibytes(used)} of ${mebibytes(most)} (${name})`;
  if (share < nearlyFull) return ok(id, `Redis uses ${percent} % of its memory`, figures);
  const detail = `${figures}; when it is full, submits are recorded and enqueued later, and workers may stand still`;
  const remedy =
    limit > 0
      ? `${cli} config set maxmemory ${Math.ceil((limit * 2) / 2 ** 20)}mb   # and the same in redis.conf\n${cli} --bigkeys   # what else lives there`
      : `${cli} --bigkeys   # what lives there; or give the machine more memory`;
  const title = `Redis uses ${percent} % of its memory`;
  if (share < full) return warning(id, title, detail, remedy);
  return {
    ...error(id, title, detail, remedy),
    degraded: `redis: ${percent} % of its memory is used`,
  };
}

function judgePersistence(info: RedisInfo): Finding[] {
  const findings: Finding[] = [];
  if (info.get("rdb_last_bgsave_status") === "err" || info.get("aof_last_write_status") === "err") {
    findings.push(
      error(
        "redis.disk",
        "Redis cannot write to its disk",
        "its last save failed; by default it then refuses all writes (stop-writes-on-bgsave-error)",
        `${cli} config get dir   # free space there, or mend its rights; then:\n${cli} bgsave`,
      ),
    );
  }
  const aof = info.get("aof_enabled");
  if (aof === "0") {
    findings.push(
      warning(
        "redis.aof",
        "Redis keeps no append-only file",
        "no promise rests on it: after a restart everything ready is enqueued anew, which takes a moment; rate limits start anew",
        `${cli} config set appendonly yes\n# and in redis.conf, so that it stays:\nappendonly yes`,
      ),
    );
  } else if (aof === "1") {
    findings.push(ok("redis.aof", "Redis keeps an append-only file"));
  }
  return findings;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
