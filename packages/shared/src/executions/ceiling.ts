import type pg from "pg";
import type { DeliveryItem } from "../queue/queue.ts";
import { readyColumns, type ReadyRow } from "./ready.ts";
import {
  lease,
  startAssignments,
  startedColumns,
  startedRows,
  startGuard,
  type StartAnswer,
  type StartedRow,
} from "./start-sql.ts";

/** An engine version whose policy limits how many run at once over all workers. */
export interface LimitedEngine {
  engineId: string;
  version: number;
  concurrency: number;
}

const running = `SELECT count(*) FROM executions r WHERE r.status = 'running' AND r.engine_id = $3 AND r.version = $4`;

/**
 * Starts as many as the engine's ceiling leaves room for; the others wait in the record, out of the queue, until a
 * place is free. Starts of one engine version take turns, since each has to count what the one before it did.
 * @returns null where the worker's lease had ended: nothing was changed
 */
export async function startBelowCeiling(
  pool: pg.Pool,
  workerId: string,
  marginMs: number,
  { engineId, version, concurrency }: LimitedEngine,
  items: readonly DeliveryItem[],
): Promise<StartedRow[] | null> {
  // A doubled delivery must not take two places.
  const once = [...new Map(items.map((item) => [item.join(), item])).values()];
  const ids = once.map(([id]) => id);
  const dispatches = once.map(([, dispatch]) => dispatch);
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `tl-ceiling:${engineId}@${version}`,
    ]);
    const answer = await client.query<StartAnswer>(
      `WITH ${lease}, place AS (
         SELECT d.id FROM unnest($5::uuid[], $6::int[]) WITH ORDINALITY AS d(id, dispatch, place)
         JOIN executions e ON e.id = d.id AND e.dispatch = d.dispatch AND ${startGuard}
         ORDER BY d.place LIMIT greatest(0, $7::int - (${running}))
       ), started AS (
         UPDATE executions e SET ${startAssignments} FROM (SELECT id FROM place ORDER BY id) AS place
         WHERE e.id = place.id AND ${startGuard} RETURNING ${startedColumns}
       ) SELECT lease.holds, started.* FROM lease LEFT JOIN started ON true`,
      [workerId, marginMs, engineId, version, ids, dispatches, concurrency],
    );
    const started = startedRows(answer.rows);
    if (started !== null) {
      await client.query(
        `UPDATE executions e SET wait_reason = 'engine_concurrency', ready_at = NULL
         FROM (SELECT * FROM unnest($1::uuid[], $2::int[]) AS d(id, dispatch) ORDER BY id) AS d
         WHERE e.id = d.id AND e.dispatch = d.dispatch AND e.status = 'queued' AND e.wait_reason IS NULL
           AND (e.started_at IS NOT NULL OR e.expires_at > now())`,
        [ids, dispatches],
      );
    }
    await client.query("COMMIT");
    client.release();
    return started;
  } catch (error) {
    // The connection is in an unknown state; the pool makes a new one.
    client.release(true);
    throw error;
  }
}

/** Makes as many ready as there are free places under the engine's ceiling, by priority and age. */
export async function fillPlaces(
  pool: pg.Pool,
  enqueuer: string,
  { engineId, version, concurrency }: LimitedEngine,
): Promise<ReadyRow[]> {
  const { rows } = await pool.query<ReadyRow>({
    name: "fill-places",
    text: `UPDATE executions e SET wait_reason = NULL, ready_at = now(), enqueuer = $1
      WHERE e.id IN (
        SELECT w.id FROM executions w
        WHERE w.engine_id = $3 AND w.version = $4 AND w.status = 'queued' AND w.wait_reason = 'engine_concurrency'
        ORDER BY w.priority, w.id LIMIT greatest(0, $2::int - (${running})) FOR UPDATE SKIP LOCKED)
      RETURNING ${readyColumns}`,
    values: [enqueuer, concurrency, engineId, version],
  });
  return rows;
}

/** Engine versions that have executions waiting below a ceiling; also those whose ceiling was taken away since. */
export async function enginesAtCeiling(pool: pg.Pool): Promise<LimitedEngine[]> {
  const { rows } = await pool.query<LimitedEngine>({
    name: "engines-at-ceiling",
    text: `SELECT v.engine_id AS "engineId", v.version,
        coalesce((v.policy ->> 'concurrency')::int, ${2 ** 31 - 1}) AS concurrency
      FROM engine_versions v WHERE EXISTS (
        SELECT FROM executions e WHERE e.engine_id = v.engine_id AND e.version = v.version
          AND e.status = 'queued' AND e.wait_reason = 'engine_concurrency')`,
  });
  return rows;
}
