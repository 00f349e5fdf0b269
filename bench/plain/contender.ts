import type { Pool } from "undici";
import pg from "pg";
import { freePort } from "../../apps/local/src/free-port.ts";
import { startProcess, stopProcess, type Contender } from "../contender.ts";

const headers = { "x-api-key": "bench-key", "content-type": "application/json" };
const body = JSON.stringify({ input: { text: "x".repeat(180) } });

/** Starts the plain build on these servers. */
export async function startPlain(databaseUrl: string, redisUrl: string): Promise<Contender> {
  const port = await freePort();
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, PORT: String(port) };
  const api = await startProcess(new URL("api.ts", import.meta.url).pathname, env);
  const worker = await startProcess(new URL("worker.ts", import.meta.url).pathname, env);
  const db = new pg.Pool({ connectionString: databaseUrl, max: 1 });

  async function submit(pool: Pool): Promise<string> {
    const answer = await pool.request({ method: "POST", path: "/execute", headers, body });
    const { execution_id } = (await answer.body.json()) as { execution_id: string };
    if (answer.statusCode !== 202) throw new Error(`plain: ${answer.statusCode}`);
    return execution_id;
  }

  return {
    name: "plain Hono + pg + BullMQ",
    origin: `http://127.0.0.1:${port}`,
    pids: [api.pid ?? 0, worker.pid ?? 0],
    submit: async (pool) => void (await submit(pool)),
    async roundTrip(pool) {
      const id = await submit(pool);
      for (;;) {
        const answer = await pool.request({ method: "GET", path: `/status/${id}`, headers });
        if (((await answer.body.json()) as { done: boolean }).done) return;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
    async unfinished() {
      const { rows } = await db.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM plain_executions WHERE status <> 'succeeded'",
      );
      return rows[0]?.n ?? 0;
    },
    async stop() {
      await Promise.all([stopProcess(api), stopProcess(worker)]);
      await db.end();
    },
  };
}
