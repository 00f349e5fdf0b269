import type pg from "pg";

/** What the leader's turn begins with. */
export interface Turn {
  /** The number that this turn writes to Redis. */
  tick: number;
  /** The number that the last turn, by whichever process, had. */
  previousTick: number;
}

/**
 * Takes or keeps the lead; one process reconciles at a time, and another one follows as soon as its lease ends.
 * @returns null where another process leads
 */
export async function takeTurn(
  pool: pg.Pool,
  processId: string,
  leaseMs: number,
): Promise<Turn | null> {
  const { rows } = await pool.query<{ tick: string }>({
    name: "take-turn",
    text: `INSERT INTO leader AS l (process_id, lease_until, ticks)
      VALUES ($1, now() + $2 * interval '1 millisecond', 1)
      ON CONFLICT (one) DO UPDATE SET process_id = $1, lease_until = excluded.lease_until, ticks = l.ticks + 1
      WHERE l.process_id = $1 OR l.lease_until <= now()
      RETURNING ticks AS tick`,
    values: [processId, leaseMs],
  });
  const row = rows[0];
  if (row === undefined) return null;
  const tick = Number(row.tick);
  return { tick, previousTick: tick - 1 };
}

/** Lets another process lead at once. */
export async function giveUpLead(pool: pg.Pool, processId: string): Promise<void> {
  await pool.query("UPDATE leader SET lease_until = now() WHERE process_id = $1", [processId]);
}
