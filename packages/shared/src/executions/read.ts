import type pg from "pg";
import { createBatcher, type Batcher } from "../batch/batcher.ts";
import { executionColumns, type CallerRef, type ExecutionRow, type Include } from "./row.ts";
import { createTombstoneReader, type TombstoneRow } from "./tombstones.ts";

/**
 * Reads executions by id, in no particular order. Ids that do not exist and those of other callers are missing in the
 * answer alike; tl-plane sees all.
 */
export async function readExecutions(
  pool: pg.Pool,
  caller: CallerRef,
  ids: readonly string[],
  include: Include,
): Promise<ExecutionRow[]> {
  return readAsked(
    pool,
    ids.map((id) => ({ caller, id })),
    include,
  );
}

interface Asked {
  caller: CallerRef;
  id: string;
}

async function readAsked(
  pool: pg.Pool,
  asked: readonly Asked[],
  include: Include,
): Promise<ExecutionRow[]> {
  const result = await pool.query<ExecutionRow>({
    name: `read-executions-${includeName(include)}`,
    text: `SELECT ${executionColumns(include)} FROM (SELECT DISTINCT id, caller_id FROM unnest($1::uuid[], $2::text[])
        AS a(id, caller_id)) AS a
      JOIN executions e ON e.id = a.id AND (a.caller_id IS NULL OR e.caller_id = a.caller_id)`,
    values: [
      asked.map(({ id }) => id),
      asked.map(({ caller }) => (caller.kind === "plane" ? null : caller.id)),
    ],
  });
  return result.rows;
}

/** A short name for a combination, for prepared statements. */
function includeName(include: Include): string {
  return [include.output, include.input, include.attempts, include.calls].map(Number).join("");
}

/** Reads one execution at a time for many callers: reads that come while one is in flight share the next. */
export interface ExecutionReader {
  /** null where the caller has no such execution. @throws what Postgres says */
  read(caller: CallerRef, id: string, include: Include): Promise<ExecutionRow | null>;
  /**
   * What is left of an execution that `read` did not find; null where the caller never had one. An execution and its
   * tombstone change places in one commit, so that whoever asks in this order finds one of them. @throws what Postgres says
   */
  readTombstone(caller: CallerRef, id: string): Promise<TombstoneRow | null>;
}

/** See {@link ExecutionReader}. */
export function createExecutionReader(pool: pg.Pool): ExecutionReader {
  const byInclude = new Map<string, Batcher<Asked, ExecutionRow | null>>();
  function batcherFor(include: Include): Batcher<Asked, ExecutionRow | null> {
    const name = includeName(include);
    let batcher = byInclude.get(name);
    if (batcher === undefined) {
      batcher = createBatcher<Asked, ExecutionRow | null>({
        // Outputs may be large: a batch holds a bounded number of them.
        maxItems: include.output || include.input ? 100 : 1_000,
        lanes: 2,
        async run(asked) {
          const rows = new Map((await readAsked(pool, asked, include)).map((row) => [row.id, row]));
          return asked.map(({ caller, id }) => {
            const row = rows.get(id);
            // Two callers may ask for one id in the same batch.
            const visible =
              row !== undefined && (caller.kind === "plane" || row.caller_id === caller.id);
            return visible ? row : null;
          });
        },
      });
      byInclude.set(name, batcher);
    }
    return batcher;
  }
  return {
    read: (caller, id, include) => batcherFor(include).add({ caller, id }),
    readTombstone: createTombstoneReader(pool),
  };
}
