import type pg from "pg";

/** A queued execution that may be delivered. */
export interface ReadyRow {
  id: string;
  dispatch: number;
  engine_id: string;
  version: number;
  priority: number;
  ready_at: Date;
}

/** The returning list that makes a {@link ReadyRow} of `executions e`. */
export const readyColumns = "e.id, e.dispatch, e.engine_id, e.version, e.priority, e.ready_at";

/** Which ready executions to go through. */
export interface ReadyRange {
  /** Only those that this process had to enqueue. */
  enqueuer?: string;
  /** Only those ready at this time or later. */
  from?: Date;
  engine?: { engineId: string; version: number };
}

/** Pages of ready executions, oldest first within an engine version; a page is one short statement. */
export async function* readReady(
  pool: pg.Pool,
  range: ReadyRange,
  pageSize = 1_000,
): AsyncGenerator<ReadyRow[]> {
  const engines = range.engine === undefined ? await enginesWithReady(pool) : [range.engine];
  for (const { engineId, version } of engines) {
    let after = {
      readyAt: range.from?.toISOString() ?? "-infinity",
      id: "00000000-0000-0000-0000-000000000000",
    };
    for (;;) {
      const { rows } = await pool.query<ReadyRow & { cursor: string }>({
        name: "read-ready",
        text: `SELECT ${readyColumns}, e.ready_at::text AS cursor FROM executions e
          WHERE e.status = 'queued' AND e.wait_reason IS NULL AND e.engine_id = $1 AND e.version = $2
            AND (e.ready_at, e.id) > ($3::timestamptz, $4::uuid) AND ($5::uuid IS NULL OR e.enqueuer = $5)
          ORDER BY e.ready_at, e.id LIMIT $6`,
        values: [engineId, version, after.readyAt, after.id, range.enqueuer ?? null, pageSize],
      });
      if (rows.length > 0) yield rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) break;
      after = { readyAt: last.cursor, id: last.id };
    }
  }
}

/** Engine versions that have ready executions, from the counters. */
export async function enginesWithReady(
  pool: pg.Pool,
): Promise<{ engineId: string; version: number }[]> {
  const { rows } = await pool.query<{ engineId: string; version: number }>({
    name: "engines-with-ready",
    text: `SELECT engine_id AS "engineId", version FROM engine_counters
      GROUP BY engine_id, version HAVING sum(ready) > 0 ORDER BY 1, 2`,
  });
  return rows;
}
