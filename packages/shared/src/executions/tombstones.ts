import type pg from "pg";
import { createBatcher } from "../batch/batcher.ts";
import type { ChorePage } from "./purge-walk.ts";
import type { CallerRef } from "./row.ts";

/** What is left of a purged execution. */
export interface TombstoneRow {
  execution_id: string;
  caller_id: string;
  engine_id: string;
  version: number;
  status: "succeeded" | "failed" | "canceled" | "expired";
  finished_at: Date;
}

interface Asked {
  caller: CallerRef;
  id: string;
}

/**
 * Reads the tombstones of executions that were not found, in no particular order. Those of other callers are missing in
 * the answer like those that never were; tl-plane sees all.
 */
export async function readTombstones(
  pool: pg.Pool,
  caller: CallerRef,
  ids: readonly string[],
): Promise<TombstoneRow[]> {
  return readAsked(
    pool,
    ids.map((id) => ({ caller, id })),
  );
}

async function readAsked(pool: pg.Pool, asked: readonly Asked[]): Promise<TombstoneRow[]> {
  const { rows } = await pool.query<TombstoneRow>({
    name: "read-tombstones",
    text: `SELECT t.execution_id, t.caller_id, t.engine_id, t.version, t.status, t.finished_at
      FROM (SELECT DISTINCT id, caller_id FROM unnest($1::uuid[], $2::text[]) AS a(id, caller_id)) AS a
      JOIN execution_tombstones t ON t.execution_id = a.id AND (a.caller_id IS NULL OR t.caller_id = a.caller_id)`,
    values: [
      asked.map(({ id }) => id),
      asked.map(({ caller }) => (caller.kind === "plane" ? null : caller.id)),
    ],
  });
  return rows;
}

/** Reads one tombstone at a time for many callers: reads that come while one is in flight share the next. */
export function createTombstoneReader(
  pool: pg.Pool,
): (caller: CallerRef, id: string) => Promise<TombstoneRow | null> {
  const batcher = createBatcher<Asked, TombstoneRow | null>({
    maxItems: 1_000,
    lanes: 1,
    async run(asked) {
      const rows = new Map((await readAsked(pool, asked)).map((row) => [row.execution_id, row]));
      return asked.map(({ caller, id }) => {
        const row = rows.get(id);
        // Two callers may ask for one id in the same batch.
        const visible =
          row !== undefined && (caller.kind === "plane" || row.caller_id === caller.id);
        return visible ? row : null;
      });
    },
  });
  return (caller, id) => batcher.add({ caller, id });
}

/** Tombstones that one statement removes. */
const pageSize = 1_000;

/** Removes a page of tombstones that were put up longer than this ago. */
export async function sweepTombstones(
  pool: pg.Pool,
  tombstoneRetentionMs: number,
): Promise<ChorePage> {
  const { rowCount } = await pool.query({
    name: "sweep-tombstones",
    text: `DELETE FROM execution_tombstones WHERE execution_id IN (SELECT execution_id FROM execution_tombstones
      WHERE purged_at < now() - $1::float8 * interval '1 millisecond' ORDER BY purged_at LIMIT ${pageSize}
      FOR UPDATE SKIP LOCKED)`,
    values: [tombstoneRetentionMs],
  });
  const tombstone = rowCount ?? 0;
  return { removed: { tombstone }, more: tombstone === pageSize };
}
