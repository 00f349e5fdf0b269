import type pg from "pg";
import type { Queue } from "../queue/queue.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { enginesWithReady, readReady } from "./ready.ts";

/** How long an execution may be ready while its queue is empty before the queue counts as having lost it, ms. */
const strandedMs = 10_000;

/**
 * The net below all else: where executions of an engine version have been ready for ten seconds and its queue is empty,
 * they are enqueued again.
 * @returns how many executions were put back
 */
export async function refillEmptyQueues(
  pool: pg.Pool,
  queue: Queue,
  enqueuer: Enqueuer,
): Promise<number> {
  let total = 0;
  for (const engine of await enginesWithReady(pool)) {
    const { rows } = await pool.query<{ stranded: boolean }>({
      name: "stranded",
      text: `SELECT EXISTS (SELECT FROM executions e WHERE e.engine_id = $1 AND e.version = $2 AND e.status = 'queued'
          AND e.wait_reason IS NULL AND e.ready_at < now() - ${strandedMs} * interval '1 millisecond') AS stranded`,
      values: [engine.engineId, engine.version],
    });
    if (rows[0]?.stranded !== true) continue;
    if ((await queue.depth(engine.engineId, engine.version)) > 0) continue;
    for await (const ready of readReady(pool, { engine })) {
      await enqueuer.putBack(ready);
      total += ready.length;
    }
  }
  return total;
}
