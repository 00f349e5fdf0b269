import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { testLimiterPromises, type Backend } from "./limiter-promises.ts";
import { createPostgresRateLimiter } from "./postgres-rate-limiter.ts";

describe("the limiter in Postgres", () => {
  let database: FreshDatabase;
  let pool: pg.Pool;

  beforeAll(async () => {
    database = await freshDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 4 });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const backend: Backend = {
    open: (windowSeconds) => createPostgresRateLimiter(pool, windowSeconds),
    async leftMs(name) {
      const { rows } = await pool.query<{ left: number }>(
        "SELECT (extract(epoch FROM expires_at - now()) * 1000)::float8 AS left FROM rate_limits WHERE name = $1",
        [name],
      );
      return rows[0]?.left ?? null;
    },
    async used(name) {
      const { rows } = await pool.query<{ used: string }>(
        "SELECT used FROM rate_limits WHERE name = $1",
        [name],
      );
      return Number(rows[0]?.used ?? 0);
    },
    async endWindow(name) {
      await pool.query("UPDATE rate_limits SET expires_at = now() WHERE name = $1", [name]);
    },
  };
  testLimiterPromises(() => backend);

  test("counters of windows that ended are swept", async () => {
    await pool.query("INSERT INTO rate_limits VALUES ('old', 1, 1, now() - interval '1 hour')");
    const limiter = backend.open(60);
    await limiter.take("key:sweeper", "requests", 10);
    await limiter.close();
    expect(await backend.leftMs("old")).toBeNull();
  });

  test("Postgres' refusal reaches the request", async () => {
    const gone = new pg.Pool({ connectionString: "postgres://127.0.0.1:1/none" });
    const limiter = createPostgresRateLimiter(gone, 60);
    await expect(limiter.take("key:a", "requests", 1)).rejects.toThrow();
    await expect(limiter.take("key:a", "requests", 1)).rejects.toThrow();
    await gone.end();
  });
});
