import type pg from "pg";
import type { Enqueuer } from "./enqueuer.ts";
import { readReady, type ReadyRange } from "./ready.ts";
import { remoteHolder } from "./remote-holder.ts";
import { overdueMarginMs } from "./state.ts";

interface LostProcess {
  id: string;
  enqueued_through: Date;
  served: { engineId: string; version: number }[];
}

/**
 * Enqueues what processes whose lease has ended had recorded and perhaps not enqueued, and what workers among them may
 * have taken out of the queue and not started; then forgets them. A delivery that is made twice is dropped by its
 * dispatch. BullMQ brings back itself what a dead worker had taken, but on Postgres by the workers' own clocks: one that
 * was ten minutes ahead holds it for ten minutes more.
 * A queue that refuses keeps no other from what it lacks; whom it concerns is forgotten in a later turn.
 * @param at Postgres' time by which leases are judged, as it writes it
 * @returns how many executions were put back
 * @throws AggregateError where some could not be, after all others were
 */
export async function putBackOfLostProcesses(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  at: string,
): Promise<number> {
  const { rows: lost } = await pool.query<LostProcess>({
    name: "lost-processes",
    // One that went of its own accord has put back what it had taken.
    text: `SELECT p.id, p.enqueued_through, CASE WHEN p.lease_until = '-infinity' THEN '[]' ELSE
        (SELECT coalesce(json_agg(json_build_object('engineId', s.engine_id, 'version', s.version)), '[]')
          FROM process_engines s WHERE s.process_id = p.id) END AS served
      FROM processes p WHERE p.lease_until <= $1::timestamptz AND p.id <> '${remoteHolder}' ORDER BY p.id LIMIT 100`,
    values: [at],
  });
  let total = 0;
  const errors: unknown[] = [];
  const owed = new Set<string>();
  const servedByLost = new Map<string, LostProcess["served"][number]>();
  for (const { served } of lost)
    for (const engine of served) servedByLost.set(`${engine.engineId}@${engine.version}`, engine);
  const putBack = async (range: ReadyRange): Promise<boolean> => {
    try {
      for await (const rows of readReady(pool, range)) {
        await enqueuer.putBack(rows);
        total += rows.length;
      }
      return true;
    } catch (error) {
      errors.push(error);
      return false;
    }
  };
  for (const [name, engine] of servedByLost) if (!(await putBack({ engine }))) owed.add(name);
  for (const { id, enqueued_through, served } of lost) {
    const all = await putBack({ enqueuer: id, from: enqueued_through });
    if (!all || served.some(({ engineId, version }) => owed.has(`${engineId}@${version}`)))
      continue;
    await pool.query("DELETE FROM processes WHERE id = $1 AND lease_until <= $2::timestamptz", [
      id,
      at,
    ]);
  }
  if (errors.length > 0) throw new AggregateError(errors, "not everything could be put back");
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
