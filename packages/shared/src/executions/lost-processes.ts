import type pg from "pg";
import type { Enqueuer } from "./enqueuer.ts";
import { readReady } from "./ready.ts";
import { overdueMarginMs } from "./state.ts";

/**
 * Enqueues what processes whose lease has ended had recorded and perhaps not enqueued, and then forgets them. A delivery
 * that is made twice is dropped by its dispatch.
 * @param at Postgres' time by which leases are judged, as it writes it
 * @returns how many executions were put back
 */
export async function putBackOfLostProcesses(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  at: string,
): Promise<number> {
  const { rows: lost } = await pool.query<{ id: string; enqueued_through: Date }>({
    name: "lost-processes",
    text: "SELECT id, enqueued_through FROM processes WHERE lease_until <= $1::timestamptz ORDER BY id LIMIT 100",
    values: [at],
  });
  let total = 0;
  for (const { id, enqueued_through } of lost) {
    for await (const rows of readReady(pool, { enqueuer: id, from: enqueued_through })) {
      await enqueuer.putBack(rows);
      total += rows.length;
    }
    await pool.query("DELETE FROM processes WHERE id = $1 AND lease_until <= $2::timestamptz", [
      id,
      at,
    ]);
  }
  return total;
}

/**
 * After a time without Postgres nobody could renew or settle: all leases start anew, and what runs keeps its time to be
 * recorded or taken back, so that an outage accuses nobody. Leases that were given up stay so.
 */
export async function renewAllLeases(pool: pg.Pool, leaseMs: number): Promise<void> {
  await pool.query(
    `UPDATE processes SET lease_until = greatest(lease_until, now() + $1 * interval '1 millisecond')
     WHERE lease_until > '-infinity'`,
    [leaseMs],
  );
  await pool.query(
    `UPDATE executions e SET deadline_at = now() + $1 * interval '1 millisecond'
     WHERE e.status = 'running' AND e.deadline_at < now() + $1 * interval '1 millisecond'`,
    [leaseMs + overdueMarginMs],
  );
}
