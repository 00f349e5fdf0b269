// The build to beat: what a good engineer writes in an afternoon with the same parts. One INSERT and one job per
// submit, a key looked up in Postgres, a result polled from Postgres.
import { createHash, randomUUID } from "node:crypto";
import { serve } from "@hono/node-server";
import { Queue } from "bullmq";
import { Hono } from "hono";
import { Redis } from "ioredis";
import pg from "pg";

const { DATABASE_URL = "", REDIS_URL = "", PORT = "0" } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: null });
const queue = new Queue("plain", { connection: redis });

await pool.query(`CREATE TABLE IF NOT EXISTS plain_keys (hash text PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS plain_executions (id uuid PRIMARY KEY, status text NOT NULL, input jsonb NOT NULL, output jsonb,
    created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz)`);
const hash = (key: string) => createHash("sha256").update(key).digest("hex");
await pool.query("INSERT INTO plain_keys VALUES ($1) ON CONFLICT DO NOTHING", [hash("bench-key")]);

const app = new Hono();
app.use(async (c, next) => {
  const known = await pool.query("SELECT 1 FROM plain_keys WHERE hash = $1", [
    hash(c.req.header("x-api-key") ?? ""),
  ]);
  if (known.rowCount === 0) return c.json({ error: "unauthorized" }, 401);
  await next();
});
app.post("/execute", async (c) => {
  const { input } = await c.req.json<{ input: unknown }>();
  const id = randomUUID();
  await pool.query("INSERT INTO plain_executions (id, status, input) VALUES ($1, 'queued', $2)", [
    id,
    JSON.stringify(input),
  ]);
  await queue.add("run", { id, input }, { removeOnComplete: true, removeOnFail: true });
  return c.json({ execution_id: id, done: false }, 202);
});
app.get("/status/:id", async (c) => {
  const found = await pool.query<{ status: string }>(
    "SELECT * FROM plain_executions WHERE id = $1",
    [c.req.param("id")],
  );
  const row = found.rows[0];
  return c.json({ ...row, done: row?.status === "succeeded" });
});
serve({ fetch: app.fetch, port: Number(PORT), hostname: "127.0.0.1" }, () =>
  process.send?.("ready"),
);
