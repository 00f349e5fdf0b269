import type { CallbackDelivery } from "@tl-engine/contract";
import type pg from "pg";

interface Row {
  id: string;
  execution_id: string | null;
  endpoint_id: string | null;
  url: string;
  event: string;
  status: CallbackDelivery["status"];
  tries: number;
  next_at: Date | null;
  last_tried_at: Date | null;
  last_status: number | null;
  last_error: string | null;
  created_at: Date;
  finished_at: Date | null;
}

const columns = `d.id, d.execution_id, d.endpoint_id, d.url, d.event, d.status, d.tries,
  -- While it is being sent it has no time of a next try.
  CASE WHEN d.claimed_until > now() THEN NULL ELSE d.next_at END AS next_at,
  d.last_tried_at, d.last_status, d.last_error, d.created_at, d.finished_at`;

function describe(row: Row): CallbackDelivery {
  return {
    id: row.id,
    execution_id: row.execution_id,
    event: row.event,
    endpoint: row.endpoint_id,
    url: row.url,
    status: row.status,
    tries: row.tries,
    next_try_at: row.next_at?.toISOString() ?? null,
    last_tried_at: row.last_tried_at?.toISOString() ?? null,
    last_status: row.last_status,
    last_error: row.last_error,
    created_at: row.created_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}

/** Whom an execution's end is told to, and what came of it; whoever asks has been found to be its caller. */
export async function readCallbacks(
  pool: pg.Pool,
  executionId: string,
): Promise<CallbackDelivery[]> {
  const { rows } = await pool.query<Row>({
    name: "read-callbacks",
    text: `SELECT ${columns} FROM callback_deliveries d WHERE d.execution_id = $1 ORDER BY d.created_at, d.endpoint_id, d.id`,
    values: [executionId],
  });
  return rows.map(describe);
}

/** One delivery; null where there is none of that id. */
export async function readDelivery(pool: pg.Pool, id: string): Promise<CallbackDelivery | null> {
  const { rows } = await pool.query<Row>({
    name: "read-callback-delivery",
    text: `SELECT ${columns} FROM callback_deliveries d WHERE d.id = $1`,
    values: [id],
  });
  return rows[0] === undefined ? null : describe(rows[0]);
}
