import { runMigrations as migrateBullmq } from "bullmq";
import type pg from "pg";

/** The schema that BullMQ's tables live in where Redis is not used. */
export const queueSchema = "bullmq";

/** Creates or updates BullMQ's own tables; safe to call several times at once. */
export async function runMigrations(client: pg.Client): Promise<void> {
  await migrateBullmq(client, queueSchema);
}
