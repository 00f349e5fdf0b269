import type { Priority } from "@tl-engine/contract";
import type pg from "pg";

/** An execution that a caller asks for; what the engine or the configuration leaves open is already filled in. */
export interface NewExecution {
  /** A UUIDv7. */
  id: string;
  callerId: string;
  engineId: string;
  version: number;
  priority: Priority;
  /** Not before this time. */
  runAt: Date | null;
  /** Not before this long after it was recorded, by Postgres' clock; not together with runAt. */
  delayMs: number | null;
  ttlMs: number;
  timeoutMs: number;
  maxAttempts: number;
  /** The input as JSON text. */
  inputText: string;
  tags: string[];
  /** The metadata as JSON text. */
  metadataText: string;
  idempotency: { key: string; requestHash: Buffer } | null;
  traceparent: string | null;
  /** Who hears of its end, as JSON text: `{"url":"…"}` or `{"endpoint":"whe_…"}`. */
  callbackText?: string | null;
}

/** What the record says of a new execution. */
export interface Recorded {
  id: string;
  status: "scheduled" | "queued";
  dispatch: number;
  created_at: Date;
  run_at: Date | null;
  /** null: it is to be run later, or has to wait for its turn. */
  ready_at: Date | null;
}

/** Priorities in the record sort as they run. */
export const priorityRank: Record<Priority, number> = { high: 1, normal: 2, low: 3 };
const byRank: Priority[] = ["normal", "high", "normal", "low"];

/** The word for a priority of the record. */
export function priorityOf(rank: number): Priority {
  return byRank[rank] ?? "normal";
}

// A key is claimed and its execution inserted in one statement: only a committed execution takes a key. A key
// older than 24 h is free again.
const statement = `
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::smallint[], $6::timestamptz[], $7::float8[],
    $8::float8[], $9::int[], $10::smallint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::text[],
    $18::bool[], $19::text[])
  AS g(id, caller_id, engine_id, version, priority, run_at, delay_ms, ttl_ms, timeout_ms, max_attempts, input, tags,
    metadata, idempotency_key, request_hash, traceparent, goes, callback)
), claimed AS (
  INSERT INTO idempotency_keys AS k (caller_id, key, request_hash, execution_id)
  SELECT DISTINCT ON (caller_id, idempotency_key) caller_id, idempotency_key, request_hash, id
  FROM given WHERE idempotency_key IS NOT NULL ORDER BY caller_id, idempotency_key, id
  ON CONFLICT (caller_id, key) DO UPDATE SET request_hash = excluded.request_hash,
    execution_id = excluded.execution_id, created_at = now()
  WHERE k.created_at < now() - interval '24 hours'
  RETURNING execution_id
), timed AS (
  SELECT given.*, coalesce(run_at, now() + delay_ms * interval '1 millisecond') AS starts_at
  FROM given WHERE idempotency_key IS NULL OR id IN (SELECT execution_id FROM claimed)
), placed AS (
  SELECT *, CASE WHEN starts_at > now() THEN 'later' WHEN goes THEN 'now' ELSE 'pending' END AS place FROM timed
)
INSERT INTO executions (id, caller_id, engine_id, version, status, priority, max_attempts, timeout_ms, run_at, ready_at,
  wait_reason, waiting_since, enqueuer, due_at, expires_at, deadline_at, input, tags, metadata, traceparent, callback)
SELECT id, caller_id, engine_id, version,
  CASE place WHEN 'later' THEN 'scheduled' ELSE 'queued' END, priority, max_attempts, timeout_ms, starts_at,
  CASE place WHEN 'now' THEN now() END, CASE place WHEN 'pending' THEN 'dispatch_pending' END,
  CASE place WHEN 'pending' THEN now() END, $17::uuid, CASE place WHEN 'later' THEN starts_at END,
  greatest(now(), starts_at) + ttl_ms * interval '1 millisecond',
  greatest(now(), starts_at) + ttl_ms * interval '1 millisecond', input::json,
  CASE WHEN tags = '[]' THEN '{}' ELSE ARRAY(SELECT json_array_elements_text(tags::json)) END, metadata::json, traceparent,
  callback::json
FROM placed
RETURNING id, status, dispatch, created_at, run_at, ready_at`;

/**
 * Records executions in one statement and one commit.
 * @param enqueuer the process that has to enqueue them
 * @param goes for each whether it may be enqueued at once; what may not waits in Postgres until it is brought in
 * @returns one entry for each that was recorded; one whose idempotency key is taken is missing
 */
export async function recordExecutions(
  pool: pg.Pool,
  enqueuer: string,
  executions: NewExecution[],
  goes: boolean[],
): Promise<Map<string, Recorded>> {
  const column = <T>(pick: (execution: NewExecution) => T): T[] => executions.map(pick);
  const result = await pool.query<Recorded>({
    name: "record-executions",
    text: statement,
    values: [
      column((e) => e.id),
      column((e) => e.callerId),
      column((e) => e.engineId),
      column((e) => e.version),
      column((e) => priorityRank[e.priority]),
      column((e) => e.runAt),
      column((e) => e.delayMs),
      column((e) => e.ttlMs),
      column((e) => e.timeoutMs),
      column((e) => e.maxAttempts),
      column((e) => e.inputText),
      column((e) => (e.tags.length === 0 ? "[]" : JSON.stringify(e.tags))),
      column((e) => e.metadataText),
      column((e) => e.idempotency?.key ?? null),
      column((e) => e.idempotency?.requestHash ?? null),
      column((e) => e.traceparent),
      enqueuer,
      goes,
      column((e) => e.callbackText ?? null),
    ],
  });
  return new Map(result.rows.map((row) => [row.id, row]));
}
