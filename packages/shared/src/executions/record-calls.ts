import type pg from "pg";
import { createBatcher } from "../batch/batcher.ts";

/** One call to the outside; `path` carries no query. */
export interface CallRecord {
  execution_id: string;
  attempt: number;
  dispatch: number;
  step?: string | null;
  connection: string | null;
  protocol: string;
  method: string;
  host: string;
  path: string;
  status: number | null;
  error_code: string | null;
  started_at: string;
  duration_ms: number;
  bytes_sent: number;
  bytes_received: number;
  try: number;
  idempotency_key: string | null;
}

/** Calls that may wait to be written; beyond that the newest are dropped and said so. */
const maxWaiting = 10_000;

export interface CallRecorder {
  /** Resolves when the call is in the record, or cannot be put there; never rejects. */
  record(call: CallRecord): Promise<void>;
}

/**
 * Writes the log of outbound calls in batches, off the path of the execution.
 * @param now Postgres' time, ms: a call is put where it belongs among the record's times, whatever this machine's clock says
 */
export function createCallRecorder(
  pool: pg.Pool,
  now: () => number,
  onError: (error: unknown) => void,
): CallRecorder {
  const batcher = createBatcher<CallRecord, void>({
    maxItems: 500,
    lanes: 1,
    async run(calls) {
      await pool.query(
        `INSERT INTO outbound_calls (execution_id, attempt, dispatch, step, connection, protocol, method, host, path, status,
          error_code, started_at, duration_ms, bytes_sent, bytes_received, try, idempotency_key)
         SELECT execution_id, attempt, dispatch, step, connection, protocol, method, host, path, status, error_code,
          started_at, duration_ms, bytes_sent, bytes_received, try, idempotency_key
         FROM json_populate_recordset(NULL::outbound_calls, $1::json)`,
        [JSON.stringify(calls)],
      );
      return calls.map(() => undefined);
    },
  });
  return {
    async record(call) {
      if (batcher.size >= maxWaiting) {
        onError(new Error("the log of outbound calls is full; a call was not recorded"));
        return;
      }
      try {
        // What a host says is not to be relied on: a text that is no time throws here.
        const startedAt = Date.parse(call.started_at) + now() - Date.now();
        await batcher.add({ ...call, started_at: new Date(startedAt).toISOString() });
      } catch (error) {
        onError(error);
      }
    },
  };
}
