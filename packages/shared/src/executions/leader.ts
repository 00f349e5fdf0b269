import type pg from "pg";

/** What the leader's turn begins with. */
export interface Turn {
  /** The number that this turn writes to the queue's store. */
  tick: number;
  /** The largest number that is known to have been written there. */
  sung: number;
}

/**
 * Takes or keeps the lead; one process reconciles at a time, and another one follows as soon as its lease ends.
 * @param sung the largest number that this process has written to the queue's store
 * @returns null where another process leads
 */
export async function takeTurn(
  pool: pg.Pool,
  processId: string,
  leaseMs: number,
  sung: number,
): Promise<Turn | null> {
  const { rows } = await pool.query<{ tick: string; sung: string }>({
    name: "take-turn",
    text: `INSERT INTO leader AS l (process_id, lease_until, ticks, sung)
      VALUES ($1, now() + $2 * interval '1 millisecond', 1, $3)
      ON CONFLICT (one) DO UPDATE SET process_id = $1, lease_until = excluded.lease_until, ticks = l.ticks + 1,
        sung = greatest(l.sung, excluded.sung)
      WHERE l.process_id = $1 OR l.lease_until <= now()
      RETURNING ticks AS tick, sung`,
    values: [processId, leaseMs, sung],
  });
  const row = rows[0];
  return row === undefined ? null : { tick: Number(row.tick), sung: Number(row.sung) };
}

/** Lets another process lead at once. */
export async function giveUpLead(pool: pg.Pool, processId: string): Promise<void> {
  await pool.query("UPDATE leader SET lease_until = now() WHERE process_id = $1", [processId]);
}
