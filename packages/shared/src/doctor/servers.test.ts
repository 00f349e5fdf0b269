import { Redis } from "ioredis";
import pg from "pg";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  describeWithRedis,
  freshDatabase,
  startPrivatePostgres,
  startPrivateRedis,
  type FreshDatabase,
  type PrivatePostgres,
} from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack } from "../testing/stack.ts";
import { judgeClock, postgresClock, redisClock } from "./clock-checks.ts";
import { checkPostgresAnswers, checkRedisAnswers } from "./connect-checks.ts";
import { checkConnectionLimit } from "./connection-checks.ts";
import type { Finding } from "./finding.ts";
import { checkPostgresSettings, checkVacuum } from "./postgres-checks.ts";
import { judgeRedis, judgeRedisVersion, readRedisInfo } from "./redis-checks.ts";
import { checkRemoval } from "./retention-checks.ts";
import { checkSchema } from "./schema-checks.ts";
import { checkBacklog, checkOverdue, checkProcesses } from "./work-checks.ts";

/** `id level`, for those of one kind. */
const levels = (findings: Finding[]) => findings.map(({ id, level }) => `${id} ${level}`);
const only = (findings: Finding[], id: string) => findings.find((finding) => finding.id === id);

describeWithRedis("a Redis with wrong settings", () => {
  const cleanUps: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });
  const open = async (...args: string[]) => {
    const server = await startPrivateRedis({ args });
    const redis = new Redis(server.url);
    redis.on("error", () => undefined);
    cleanUps.push(
      () => server.kill(),
      () => redis.disconnect(),
    );
    return { redis, url: server.url, port: server.port };
  };
  const look = async (redis: Redis) => judgeRedis(await readRedisInfo(redis));

  test("one as it should be has nothing to say", async () => {
    const { redis } = await open(
      "--appendonly",
      "yes",
      "--dir",
      "/tmp",
      "--appenddirname",
      `tl-test-${process.pid}`,
    );
    expect(new Set((await look(redis)).map(({ level }) => level))).toEqual(new Set(["ok"]));
  });

  test("eviction is an error with the command and the line of the file; without AOF it is a warning", async () => {
    const { redis } = await open("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
    const findings = await look(redis);
    expect(only(findings, "redis.eviction")).toMatchObject({
      level: "error",
      title: "Redis may throw jobs away: maxmemory-policy is allkeys-lru",
      remedy: expect.stringContaining("config set maxmemory-policy noeviction"),
    });
    expect(only(findings, "redis.eviction")?.remedy).toMatch(/^maxmemory-policy noeviction$/m);
    expect(only(findings, "redis.aof")?.level).toBe("warning");
    // What it says mends it.
    await redis.config("SET", "maxmemory-policy", "noeviction");
    expect(only(await look(redis), "redis.eviction")?.level).toBe("ok");
  });

  test("nearly full, full", async () => {
    const { redis } = await open();
    const used = Number((await readRedisInfo(redis)).get("used_memory"));
    await redis.config("SET", "maxmemory", Math.round(used / 0.88));
    expect(only(await look(redis), "redis.memory")?.level).toBe("warning");
    await redis.config("SET", "maxmemory", Math.round(used / 0.99));
    expect(only(await look(redis), "redis.memory")).toMatchObject({
      level: "error",
      degraded: expect.stringMatching(/^redis: \d+ % of its memory is used$/),
    });
  });

  test("a replica, a cluster, a disk that cannot be written", async () => {
    const first = await open();
    const replica = await open("--replicaof", "127.0.0.1", String(first.port));
    expect(levels(await look(replica.redis))).toContain("redis.role error");
    const cluster = await open(
      "--cluster-enabled",
      "yes",
      "--cluster-config-file",
      `tl-${process.pid}.conf`,
      "--dir",
      "/tmp",
    );
    expect(levels(await look(cluster.redis))).toContain("redis.cluster error");
    const info = new Map([["rdb_last_bgsave_status", "err"]]);
    expect(levels(judgeRedis(info))).toContain("redis.disk error");
  });

  test("versions: what BullMQ refuses, what it does not recommend", () => {
    expect(
      ["4.0.14", "5.0.0", "6.0.20", "6.2.0", "7.0.15", "10.1"]
        .map(judgeRedisVersion)
        .map(({ level }) => level),
    ).toEqual(["error", "warning", "warning", "ok", "ok", "ok"]);
  });

  test("away, wrong password", async () => {
    const { redis, url } = await open("--requirepass", "right-one");
    const wrong = await checkRedisAnswers(redis, url.replace("redis://", "redis://:wrong-one@"));
    expect(wrong).toMatchObject({
      id: "redis.reachable",
      level: "error",
      title: expect.stringContaining("refuses"),
    });
    expect(JSON.stringify(wrong)).not.toContain("wrong-one");
    const nobody = new Redis("redis://127.0.0.1:1", {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    });
    nobody.on("error", () => undefined);
    expect(await checkRedisAnswers(nobody, "redis://127.0.0.1:1")).toMatchObject({
      level: "error",
      title: "Redis at redis://127.0.0.1:1 does not answer",
    });
  });

  test("its clock", async () => {
    const { redis } = await open();
    expect(judgeClock(await redisClock(redis)).level).toBe("ok");
  });
});

describe("a Postgres with wrong settings", () => {
  let postgres: PrivatePostgres;
  let pool: pg.Pool;
  beforeAll(async () => {
    postgres = await startPrivatePostgres();
    pool = new pg.Pool({ connectionString: postgres.url, max: 3 });
    pool.on("error", () => undefined);
  });
  afterAll(async () => {
    await pool?.end();
    await postgres?.remove();
  });
  /** New sessions see what was set for the database. */
  const settings = async () => {
    const fresh = new pg.Pool({ connectionString: postgres.url, max: 1 });
    try {
      return await checkPostgresSettings(fresh);
    } finally {
      await fresh.end();
    }
  };

  test("commits that are not durable, vacuum that does not run, no writes", async () => {
    // The tests' servers do without fsync.
    const before = await settings();
    expect(levels(before)).toEqual([
      "postgres.version ok",
      "postgres.fsync error",
      "postgres.full_page_writes error",
    ]);
    expect(only(before, "postgres.fsync")?.remedy).toBe(
      'psql "$DATABASE_URL" -c "ALTER SYSTEM SET fsync = on" -c "SELECT pg_reload_conf()"',
    );
    // The remedies, word for word.
    for (const sql of [
      "ALTER SYSTEM SET fsync = on",
      "ALTER SYSTEM SET full_page_writes = on",
      "ALTER SYSTEM SET autovacuum = off",
      "SELECT pg_reload_conf()",
    ]) {
      await pool.query(sql);
    }
    await pool.query("ALTER DATABASE tl_engine SET synchronous_commit = off");
    // The postmaster passes a new file on in its own time, and settings of the command line win over it.
    await expect
      .poll(async () => levels(await settings()))
      .toEqual([
        "postgres.version ok",
        "postgres.fsync error",
        "postgres.full_page_writes error",
        "postgres.synchronous_commit error",
        "postgres.autovacuum error",
      ]);
    await pool.query("ALTER DATABASE tl_engine RESET synchronous_commit");
    await pool.query("ALTER DATABASE tl_engine SET default_transaction_read_only = on");
    expect(only(await settings(), "postgres.version")).toMatchObject({
      level: "error",
      title: expect.stringContaining("takes no writes"),
    });
    const writable = new pg.Pool({
      connectionString: postgres.url,
      max: 1,
      options: "-c default_transaction_read_only=off",
    });
    await writable.query("ALTER DATABASE tl_engine RESET default_transaction_read_only");
    await writable.end();
  });

  test("an open transaction and dead rows", async () => {
    expect(levels(await checkVacuum(pool))).toEqual(["postgres.vacuum ok"]);
    const holder = new pg.Client({ connectionString: postgres.url, application_name: "forgotten" });
    await holder.connect();
    await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()");
    const [held] = await checkVacuum(pool, 0);
    expect(held).toMatchObject({
      id: "postgres.long_transaction",
      level: "warning",
      title: expect.stringContaining("forgotten"),
    });
    const ended = new Promise((resolve) => holder.on("error", resolve));
    await pool.query(/-c "(.*)"$/.exec(held?.remedy ?? "")?.[1] ?? "");
    await ended;
    await pool.query("CREATE TABLE heap AS SELECT generate_series(1, 150000) AS n");
    await pool.query("DELETE FROM heap; SELECT pg_stat_force_next_flush()");
    await expect
      .poll(async () => levels(await checkVacuum(pool, 60_000)))
      .toEqual(["postgres.dead_rows warning"]);
    const [dead] = await checkVacuum(pool, 60_000);
    await pool.query(/-c "(.*)"$/.exec(dead?.remedy ?? "")?.[1] ?? "");
    await expect
      .poll(async () => levels(await checkVacuum(pool, 60_000)))
      .toEqual(["postgres.vacuum ok"]);
  });

  test("no schema yet", async () => {
    expect(await checkSchema(pool)).toMatchObject([
      { id: "postgres.migrations", level: "error", remedy: "npm run migrate" },
    ]);
  });

  test("away, wrong password, no such database; the password is never told", async () => {
    const look = async (change: (url: URL) => void) => {
      const url = new URL(postgres.url);
      change(url);
      const asked = new pg.Pool({ connectionString: url.href, max: 1 });
      asked.on("error", () => undefined);
      const finding = await checkPostgresAnswers(asked, url.href);
      await asked.end();
      expect(JSON.stringify(finding)).not.toContain(url.password);
      return finding.title.replace(/postgresql?:\/\/127.0.0.1:\d+ /, "");
    };
    expect(await look((url) => void (url.port = "1"))).toBe("PostgreSQL at does not answer");
    expect(await look((url) => void (url.password = "not-the-one"))).toBe(
      "PostgreSQL at refuses the user or the password",
    );
    expect(await look((url) => void (url.pathname = "/none"))).toBe(
      "PostgreSQL at has no such database",
    );
  });
});

describe("what waits, and who lives", () => {
  let database: FreshDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await freshDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 2 });
  });
  afterAll(async () => {
    await pool?.end();
    await database?.drop();
  });

  test("the schema, older and newer", async () => {
    expect(levels(await checkSchema(pool))).toEqual(["postgres.migrations ok"]);
    await pool.query("INSERT INTO kysely_migration VALUES ('9999_of_the_future', now()::text)");
    expect(await checkSchema(pool)).toMatchObject([
      { level: "warning", detail: expect.stringContaining("9999_of_the_future") },
    ]);
    await pool.query("DELETE FROM kysely_migration WHERE name LIKE '9999%'");
  });

  test("nobody lives; a worker that nobody leads; a backlog that nobody serves, one that is old, one that is overdue", async () => {
    expect(levels(await checkProcesses(pool))).toEqual(["work.processes error"]);
    expect(levels(await checkBacklog(pool))).toEqual(["work.backlog ok"]);
    const stack = await openStack({ databaseUrl: database.url, redisUrl: null });
    try {
      expect(levels(await checkProcesses(pool))).toEqual([
        "work.processes error",
        "work.leader error",
      ]);
      await pool.query(
        "INSERT INTO leader (process_id, lease_until) VALUES ($1, now() + interval '1 minute')",
        [stack.registration.id],
      );
      await pool.query(
        "INSERT INTO processes (id, kind, host, pid, lease_until) VALUES ($1, 'api', 'x', 1, now() + interval '1 minute')",
        [uuidv7()],
      );
      expect(levels(await checkProcesses(pool))).toEqual(["work.processes ok", "work.leader ok"]);
      await pool.query("UPDATE leader SET lease_until = now() - interval '2 minutes'");
      expect(levels(await checkProcesses(pool))).toContain("work.leader error");

      const engineId = freshEngineId();
      const { execution } = (await stack.submitter.submit(newExecution({ engineId }))) as {
        execution: { id: string };
      };
      expect(await checkBacklog(pool)).toMatchObject([
        {
          id: "work.unserved",
          level: "error",
          title: `No worker serves ${engineId}@1`,
          detail: expect.stringContaining("1 executions"),
        },
      ]);
      await stack.registration.serve([{ engineId, version: 1, slots: 1 }]);
      expect(await checkBacklog(pool)).toMatchObject([
        { id: "work.backlog", level: "ok", detail: expect.stringContaining("1 queued") },
      ]);
      await pool.query(
        "UPDATE executions SET ready_at = now() - interval '5 minutes', waiting_since = NULL WHERE id = $1",
        [execution.id],
      );
      expect(levels(await checkBacklog(pool))).toEqual(["work.backlog warning"]);

      expect(levels(await checkOverdue(pool))).toEqual(["work.overdue ok"]);
      await pool.query(
        "UPDATE executions SET deadline_at = now() - interval '5 minutes' WHERE id = $1",
        [execution.id],
      );
      expect(await checkOverdue(pool)).toMatchObject([
        { level: "error", detail: expect.stringMatching(/^1 queued \(the oldest 300 s past\)/) },
      ]);

      expect(
        levels(await checkRemoval(pool, { retentionMs: 7 * 86_400_000, tombstoneRetentionMs: 0 })),
      ).toEqual(["retention.removal ok"]);
      await pool.query(
        "UPDATE executions SET status = 'expired', finished_at = now() - interval '9 days', deadline_at = NULL, ready_at = NULL WHERE id = $1",
        [execution.id],
      );
      expect(
        levels(await checkRemoval(pool, { retentionMs: 7 * 86_400_000, tombstoneRetentionMs: 0 })),
      ).toEqual(["retention.removal error"]);
    } finally {
      await stack.close();
    }
  });

  test("more processes than connections", async () => {
    expect(levels(await checkConnectionLimit(pool, true))).toEqual(["postgres.connections ok"]);
    for (let n = 0; n < 9; n++) {
      await pool.query(
        "INSERT INTO processes (id, kind, host, pid, lease_until) VALUES ($1, 'api', 'x', 1, now() + interval '1 minute')",
        [uuidv7()],
      );
    }
    // With the one of the test above ten APIs: 200 of 197, or 290 without Redis.
    expect(await checkConnectionLimit(pool, true)).toMatchObject([
      {
        level: "error",
        detail: expect.stringContaining("10 API"),
        remedy: expect.stringContaining("SET max_connections = 300"),
      },
    ]);
  });

  test("Postgres' clock", async () => {
    expect(judgeClock(await postgresClock(pool)).level).toBe("ok");
  });
});

test("clocks: what is exact enough counts, and is told with its direction", () => {
  const judge = (offsetMs: number, uncertaintyMs = 1) =>
    judgeClock({ whose: "PostgreSQL", offsetMs, uncertaintyMs });
  expect(judge(900).level).toBe("ok");
  expect(judge(-2_000)).toMatchObject({
    level: "warning",
    title: "This machine's clock is 2.0 s ahead of PostgreSQL's",
  });
  expect(judge(12_000)).toMatchObject({
    level: "error",
    degraded: "clock: this machine is 12.0 s behind PostgreSQL",
  });
  // A question that took ten seconds proves nothing.
  expect(judge(5_000, 5_000).level).toBe("ok");
});
