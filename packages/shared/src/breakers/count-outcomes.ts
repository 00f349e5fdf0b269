import type pg from "pg";
import {
  circuitColumns,
  circuitOf,
  type BreakingConnection,
  type Circuit,
  type CircuitRow,
} from "./circuit.ts";

/** What came of the calls through one connection since it was last said. */
export interface Outcomes {
  readonly connection: BreakingConnection;
  /** The circuit's generation under which they were let through. */
  readonly generation: number;
  readonly successes: number;
  readonly failures: number;
}

/** Into how many parts a window is divided: what is older than the oldest of them counts no more. */
export const windowParts = 10;
export const noCounts = `'{${Array.from({ length: windowParts }, () => 0).join()}}'::bigint[]`;

const sum = (counts: string): string => `(SELECT sum(n) FROM unnest(${counts}) AS n)`;

// One row after the other, each by its newest state, however many processes count at once: all that is reckoned stands in
// the row itself. The counts move on by as many parts as have passed.
const statement = `
UPDATE connection_breakers b SET
  (part, part_ms, calls, failures, state, generation, opened_at, openings, open_ms, retry_at, changed_at, connection_revision) =
  (SELECT j.part, r.part_ms, CASE WHEN j.opens THEN ${noCounts} ELSE j.calls END,
     CASE WHEN j.opens THEN ${noCounts} ELSE j.failures END,
     CASE WHEN j.opens THEN 'open' ELSE b.state END, b.generation + j.opens::int,
     CASE WHEN j.opens THEN now() END, j.opens::int, CASE WHEN j.opens THEN r.open_ms ELSE 0 END,
     CASE WHEN j.opens THEN now() + r.open_ms * interval '1 millisecond' END,
     CASE WHEN j.opens THEN now() ELSE b.changed_at END, CASE WHEN j.opens THEN r.revision END
   FROM (
     SELECT c.*, ${sum("c.failures")} >= r.least AND ${sum("c.failures")} >= r.ratio * ${sum("c.calls")} AS opens
     FROM (
       SELECT m.part, ARRAY[m.calls[1] + r.successes + r.failed] || m.calls[2:${windowParts}] AS calls,
         ARRAY[m.failures[1] + r.failed] || m.failures[2:${windowParts}] AS failures
       FROM (
         SELECT p.part, (p.passed || b.calls)[1:${windowParts}] AS calls, (p.passed || b.failures)[1:${windowParts}] AS failures
         FROM (
           SELECT CASE WHEN b.part_ms = r.part_ms THEN greatest(b.part, q.part) ELSE q.part END AS part,
             array_fill(0::bigint, ARRAY[CASE WHEN b.part_ms = r.part_ms
               THEN greatest(0, least(${windowParts}, q.part - b.part))::int ELSE ${windowParts} END]) AS passed
           FROM (SELECT floor(extract(epoch FROM now()) * 1000 / r.part_ms)::bigint AS part) AS q
         ) AS p
       ) AS m
     ) AS c
   ) AS j)
FROM (SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[], $5::float8[], $6::int[], $7::float8[], $8::float8[], $9::bigint[])
  AS r(id, generation, successes, failed, part_ms, least, ratio, open_ms, revision) ORDER BY id) AS r
WHERE b.connection_id = r.id AND b.state = 'closed' AND b.generation = r.generation
RETURNING ${circuitColumns}`;

/**
 * Adds to the counts of circuits that are closed, and opens those that have failed too often by their connection's policy.
 * What belongs to another generation is not counted.
 * @returns the circuits that counted
 */
export async function countOutcomes(
  pool: pg.Pool,
  outcomes: readonly Outcomes[],
): Promise<Circuit[]> {
  const { rows } = await pool.query<CircuitRow>({
    name: "count-outcomes",
    text: statement,
    values: [
      outcomes.map(({ connection }) => connection.id),
      outcomes.map(({ generation }) => generation),
      outcomes.map(({ successes }) => successes),
      outcomes.map(({ failures }) => failures),
      outcomes.map(({ connection: { breaker } }) => breaker.windowMs / windowParts),
      outcomes.map(({ connection: { breaker } }) => breaker.failures),
      outcomes.map(({ connection: { breaker } }) => breaker.ratio),
      outcomes.map(({ connection: { breaker } }) => breaker.openMs),
      outcomes.map(({ connection }) => connection.revision),
    ],
  });
  return rows.map(circuitOf);
}

/** Makes circuits known, closed where they were not, and reads them. */
export async function ensureCircuits(
  pool: pg.Pool,
  connectionIds: readonly string[],
): Promise<Circuit[]> {
  await pool.query({
    name: "ensure-circuits",
    text: `INSERT INTO connection_breakers (connection_id) SELECT id FROM unnest($1::text[]) AS id ORDER BY id
      ON CONFLICT (connection_id) DO NOTHING`,
    values: [connectionIds],
  });
  return readCircuits(pool, connectionIds);
}

/** These circuits, as far as there are any. */
export async function readCircuits(
  pool: pg.Pool,
  connectionIds: readonly string[],
): Promise<Circuit[]> {
  const { rows } = await pool.query<CircuitRow>({
    name: "read-circuits",
    text: `SELECT ${circuitColumns} FROM connection_breakers b WHERE b.connection_id = ANY($1)`,
    values: [connectionIds],
  });
  return rows.map(circuitOf);
}

/** All circuits that are not closed. There are no more of them than connections. */
export async function readOpenCircuits(pool: pg.Pool): Promise<Circuit[]> {
  const { rows } = await pool.query<CircuitRow>({
    name: "read-open-circuits",
    text: `SELECT ${circuitColumns} FROM connection_breakers b WHERE b.state <> 'closed'`,
  });
  return rows.map(circuitOf);
}
