import { runMigrations as migrateBullmq } from "bullmq";
import type pg from "pg";

/** The schema that BullMQ's tables live in where Redis is not used. */
export const queueSchema = "bullmq";

/** Creates or updates BullMQ's own tables; safe to call several times at once. */
export async function runMigrations(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await migrateBullmq(client, queueSchema);
  } finally {
    client.release();
  }
}
