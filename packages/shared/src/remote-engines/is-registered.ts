import type { Database } from "../db/database.ts";

/** Whether there is a remote engine of this id; with a version, that one. */
export async function isRegistered(
  { pool }: Database,
  { id, version }: { id: string; version: number | null },
): Promise<boolean> {
  const { rows } = await pool.query(
    "SELECT FROM remote_engines WHERE engine_id = $1 AND ($2::int IS NULL OR version = $2) LIMIT 1",
    [id, version],
  );
  return rows.length > 0;
}
