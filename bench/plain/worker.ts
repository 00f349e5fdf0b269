import { Worker } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";

const { DATABASE_URL = "", REDIS_URL = "" } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const worker = new Worker<{ id: string; input: unknown }>(
  "plain",
  async ({ data }) => {
    const output = data.input;
    await pool.query(
      "UPDATE plain_executions SET status = 'succeeded', output = $2, finished_at = now() WHERE id = $1",
      [data.id, JSON.stringify(output)],
    );
  },
  { connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }), concurrency: 16 },
);
await worker.waitUntilReady();
process.send?.("ready");
