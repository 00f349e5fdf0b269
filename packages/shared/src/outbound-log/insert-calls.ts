import type pg from "pg";
import type { CallRow } from "./call-row.ts";

const columns = `call_id, execution_id, attempt, dispatch, step, connection, protocol, purpose, method, host, path, status,
  error_code, started_at, duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, bytes_sent, bytes_received, try,
  breaker_state, idempotency_key, request_headers, response_headers, request_body, response_body, resend, not_resendable`;

// A call that is told after its run has ended is nobody's for the worker; the record knows whose execution it was.
const ofExecution = (column: string): string =>
  `coalesce(r.${column}, (SELECT e.${column} FROM executions e WHERE e.id = r.execution_id))`;

/** Puts calls into the record, all or none of them; those that are there already stay as they are. @throws what Postgres says */
export async function insertCalls(pool: pg.Pool, rows: readonly CallRow[]): Promise<void> {
  await pool.query({
    name: "insert-outbound-calls",
    text: `INSERT INTO outbound_calls (caller_id, engine_id, ${columns})
      SELECT ${ofExecution("caller_id")}, ${ofExecution("engine_id")}, ${columns}
      FROM json_populate_recordset(NULL::outbound_calls, $1::json) AS r
      ON CONFLICT DO NOTHING`,
    values: [JSON.stringify(rows)],
  });
}
