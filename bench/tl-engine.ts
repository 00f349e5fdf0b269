import { randomBytes } from "node:crypto";
import { Pool } from "undici";
import pg from "pg";
import { freePort } from "../apps/local/src/free-port.ts";
import { migrate } from "../packages/shared/src/db/migrate.ts";
import { startProcess, stopProcess, type Contender } from "./contender.ts";

const body = JSON.stringify({ input: { text: "x".repeat(180) } });

/** Starts tl-engine's API and one worker as they are deployed. */
export async function startTlEngine(
  databaseUrl: string,
  redisUrl: string | null,
): Promise<Contender> {
  await migrate(databaseUrl);
  const port = await freePort();
  const planeKey = randomBytes(32).toString("hex");
  const env = {
    DATABASE_URL: databaseUrl,
    ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
    PORT: String(port),
    TL_PLANE_API_KEY: planeKey,
    TL_SECRET_KEY: randomBytes(32).toString("base64"),
    TL_PLANE_RATE_LIMIT: "100000000",
    TL_WORKER_CONCURRENCY: "16",
    LOG_LEVEL: "info",
  };
  const origin = `http://127.0.0.1:${port}`;
  const headers = { "x-api-key": planeKey, "content-type": "application/json" };
  const apiPort = String(await freePort());
  const workerPort = String(await freePort());
  const main = (app: string) => new URL(`../apps/${app}/src/main.ts`, import.meta.url).pathname;
  const api = await startProcess(main("api"), { ...env, TL_METRICS_PORT: apiPort }, () =>
    answers(`${origin}/readyz`),
  );
  const worker = await startProcess(main("worker"), { ...env, TL_METRICS_PORT: workerPort }, () =>
    answers(`http://127.0.0.1:${workerPort}/readyz`),
  );
  const db = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  const path = "/api/v1/engines/echo/execute";

  async function submit(pool: Pool, wait: boolean): Promise<void> {
    const answer = await pool.request({
      method: "POST",
      path,
      headers: wait ? { ...headers, prefer: "wait=60" } : headers,
      body,
    });
    const text = await answer.body.text();
    if (answer.statusCode !== (wait ? 200 : 202))
      throw new Error(`tl-engine: ${answer.statusCode} ${text}`);
  }

  return {
    name: redisUrl === null ? "tl-engine, embedded (no Redis)" : "tl-engine",
    origin,
    pids: [api.pid ?? 0, worker.pid ?? 0],
    submit: (pool) => submit(pool, false),
    roundTrip: (pool) => submit(pool, true),
    async unfinished() {
      const { rows } = await db.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM executions WHERE deadline_at IS NOT NULL",
      );
      return rows[0]?.n ?? 0;
    },
    async stop() {
      await Promise.all([stopProcess(api), stopProcess(worker)]);
      await db.end();
    },
  };
}

async function answers(url: string): Promise<void> {
  for (;;) {
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
