import type pg from "pg";
import { remoteHolder } from "./remote-holder.ts";

/** What services of one engine hold at the moment. */
export interface HandedOverFigures {
  engineId: string;
  count: number;
  /** How long the oldest has been with its service, from the start of its attempt, s. */
  oldestSeconds: number;
}

/** By engine; found by an index that has only what runs. */
export async function readHandedOver(pool: pg.Pool): Promise<HandedOverFigures[]> {
  const { rows } = await pool.query<HandedOverFigures>({
    name: "read-handed-over",
    text: `SELECT engine_id AS "engineId", count(*)::int AS count,
        greatest(0, extract(epoch FROM now() - min(attempt_started_at)))::float8 AS "oldestSeconds"
      FROM executions WHERE status = 'running' AND worker_id = '${remoteHolder}' GROUP BY engine_id ORDER BY 1`,
  });
  return rows;
}
