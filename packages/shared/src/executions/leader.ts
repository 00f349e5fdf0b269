import type pg from "pg";

/** What the leader's turn begins with. */
export interface Turn {
  /** The number that this turn writes to the queue's store. */
  tick: number;
  /** The largest number that is known to have been written there. */
  sung: number;
}

/** What Postgres says to a process that asks for the lead. */
export interface TurnAnswer {
  /** Postgres' time, as it writes it. What is judged in this turn is judged by it. */
  at: string;
  /** The same, ms since 1970. */
  atMs: number;
  /** null where another process leads. */
  lead: Turn | null;
}

/**
 * Takes or keeps the lead; one process reconciles at a time, and another one follows as soon as its lease ends.
 * @param sung the largest number that this process has written to the queue's store
 */
export async function takeTurn(
  pool: pg.Pool,
  processId: string,
  leaseMs: number,
  sung: number,
): Promise<TurnAnswer> {
  const { rows } = await pool.query<{
    at: string;
    at_ms: number;
    tick: string | null;
    sung: string | null;
  }>({
    name: "take-turn",
    text: `WITH turn AS (
        INSERT INTO leader AS l (process_id, lease_until, ticks, sung)
        VALUES ($1, now() + $2 * interval '1 millisecond', 1, $3)
        ON CONFLICT (one) DO UPDATE SET process_id = $1, lease_until = excluded.lease_until, ticks = l.ticks + 1,
          sung = greatest(l.sung, excluded.sung)
        WHERE l.process_id = $1 OR l.lease_until <= now()
        RETURNING ticks, sung
      )
      SELECT now()::text AS at, extract(epoch FROM now())::float8 * 1000 AS at_ms, turn.ticks AS tick, turn.sung
      FROM (SELECT 1) AS one LEFT JOIN turn ON true`,
    values: [processId, leaseMs, sung],
  });
  const row = rows[0];
  if (row === undefined) throw new Error("Postgres said nothing");
  const lead = row.tick === null ? null : { tick: Number(row.tick), sung: Number(row.sung) };
  return { at: row.at, atMs: row.at_ms, lead };
}

/** Lets another process lead at once. */
export async function giveUpLead(pool: pg.Pool, processId: string): Promise<void> {
  await pool.query("UPDATE leader SET lease_until = now() WHERE process_id = $1", [processId]);
}
