import type pg from "pg";

/** How much one statement removes at most: its locks are short, and nobody's vacuum waits for it. */
export interface PurgeLimits {
  /** Executions that it looks at, and so removes. */
  executions: number;
  /** Outbound calls of theirs. */
  calls: number;
  /** Bytes of bodies as they are stored: large ones lie in pieces that are removed one by one. */
  bytes: number;
}

export const purgeLimits: PurgeLimits = { executions: 500, calls: 1_000, bytes: 16 * 1024 * 1024 };

/**
 * Where to look. `past`: ids of before the time of retention, with some slack on top. `ahead`: ids of more than a day
 * from now, which a process has made whose clock was wrong; there are none, as a rule, and looking costs nothing.
 */
export type PurgeLeg = "past" | "ahead";

export interface PurgeOptions {
  leg: PurgeLeg;
  /** Looks at ids after this one. */
  after: string;
  retentionMs: number;
  slackMs: number;
  limits?: PurgeLimits;
}

/** What one page came to. */
export interface PurgePage {
  executions: number;
  calls: number;
  /** The next page begins after this id; null: after the same one as this. */
  last: string | null;
  /** The end of the leg is not reached. */
  more: boolean;
  /** In how many ms the first of those that are finished and were left becomes due; null where there is none. */
  dueInMs: number | null;
}

/** The smallest UUIDv7 of a moment, by Postgres' clock; ids carry the clock of the process that made them. */
const idAt = (ms: string): string =>
  `(lpad(to_hex((extract(epoch FROM now()) * 1000 + ${ms})::bigint), 12, '0') || '00000000000000000000')::uuid`;

const bounds: Record<PurgeLeg, string> = {
  past: `id > $1::uuid AND id < ${idAt("- ($2::float8 + $3::float8)")}`,
  ahead: `id > greatest($1::uuid, ${idAt("+ 86400000")}) AND $3::float8 IS NOT NULL`,
};

/**
 * A page of the primary key in order of the ids, which is that of their making: no other index is needed, so that no
 * settle pays for this. What an execution has beside it leaves with it, and its tombstone comes, all in one statement;
 * one with more calls than a statement may remove keeps its place until the last of them are gone.
 */
const statementOf = (leg: PurgeLeg): string => `
WITH page AS MATERIALIZED (
  SELECT id, finished_at, coalesce(finished_at <= now() - $2::float8 * interval '1 millisecond', false) AS due,
    pg_column_size(input) + coalesce(pg_column_size(output), 0) AS bytes
  FROM executions WHERE ${bounds[leg]} ORDER BY id LIMIT $4
), looked AS MATERIALIZED (
  SELECT id, finished_at, due FROM (SELECT *, sum(CASE WHEN due THEN bytes ELSE 0 END)
    OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM page) AS p
  WHERE coalesce(before, 0) < $6
), due AS MATERIALIZED (
  SELECT e.id FROM looked JOIN executions e ON e.id = looked.id WHERE looked.due
  ORDER BY e.id FOR UPDATE OF e SKIP LOCKED
), calls AS MATERIALIZED (
  SELECT c.id, c.execution_id FROM due JOIN outbound_calls c ON c.execution_id = due.id ORDER BY due.id LIMIT $5
), full_at AS MATERIALIZED (
  SELECT execution_id AS id FROM calls ORDER BY execution_id OFFSET $5 - 1 LIMIT 1
), gone AS (
  DELETE FROM executions e USING due WHERE e.id = due.id AND NOT EXISTS (SELECT FROM full_at WHERE e.id >= full_at.id)
  RETURNING e.id, e.finished_at, e.version, e.status, e.caller_id, e.engine_id
), forgotten AS (
  DELETE FROM outbound_calls c USING calls WHERE c.id = calls.id
), forgotten_too AS (
  DELETE FROM late_results l USING gone WHERE l.execution_id = gone.id
), untold AS (
  DELETE FROM callback_deliveries d USING gone WHERE d.execution_id = gone.id
), buried AS (
  INSERT INTO execution_tombstones (execution_id, finished_at, version, status, caller_id, engine_id)
  SELECT id, finished_at, version, status, caller_id, engine_id FROM gone ON CONFLICT (execution_id) DO NOTHING
)
SELECT (SELECT count(*)::int FROM gone) AS executions, (SELECT count(*)::int FROM calls) AS calls,
  (SELECT id FROM looked WHERE NOT EXISTS (SELECT FROM full_at WHERE looked.id >= full_at.id) ORDER BY id DESC LIMIT 1) AS last,
  (SELECT count(*) FROM page) = $4 OR (SELECT count(*) FROM page) > (SELECT count(*) FROM looked)
    OR EXISTS (SELECT FROM full_at) AS more,
  -- One that is due and that somebody else holds is due still.
  CASE WHEN (SELECT count(*) FROM looked WHERE due) > (SELECT count(*) FROM due) THEN 0
    ELSE (SELECT extract(epoch FROM min(finished_at) - now())::float8 * 1000 + $2 FROM looked WHERE NOT due) END AS due_in_ms`;

const statements: Record<PurgeLeg, string> = {
  past: statementOf("past"),
  ahead: statementOf("ahead"),
};

/**
 * Removes what finished longer than the time of retention ago, of one page of ids; what is unfinished is never touched.
 * @throws what Postgres says
 */
export async function purgePage(
  pool: pg.Pool,
  { leg, after, retentionMs, slackMs, limits = purgeLimits }: PurgeOptions,
): Promise<PurgePage> {
  const { rows } = await pool.query<Omit<PurgePage, "dueInMs"> & { due_in_ms: number | null }>({
    name: `purge-${leg}`,
    text: statements[leg],
    values: [after, retentionMs, slackMs, limits.executions, limits.calls, limits.bytes],
  });
  if (rows[0] === undefined) throw new Error("Postgres said nothing");
  const { due_in_ms: dueInMs, ...page } = rows[0];
  return { ...page, dueInMs };
}
