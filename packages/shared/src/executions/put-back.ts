import type pg from "pg";
import type { Queue } from "../queue/queue.ts";
import type { Canary } from "./canary.ts";
import type { Enqueuer } from "./enqueuer.ts";
import { enginesWithReady, readReady } from "./ready.ts";

interface Engine {
  engineId: string;
  version: number;
}

/**
 * Enqueues everything that is ready of these engine versions, in pages. One whose queue refuses does not keep the others
 * from theirs.
 * @returns how many executions were enqueued
 * @throws AggregateError where some could not be, after all others were
 */
async function putBackReady(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  engines: readonly Engine[],
): Promise<number> {
  let total = 0;
  const errors: unknown[] = [];
  for (const engine of engines) {
    try {
      for await (const rows of readReady(pool, { engine })) {
        await enqueuer.putBack(rows);
        total += rows.length;
      }
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "not everything could be put back");
  return total;
}

/**
 * Puts back all that is ready where the queue's store has lost something, and writes the next number there only after
 * that: whoever leads next sees the same gap until everything is back.
 * @returns how many executions were put back
 */
export async function putBackAfterLoss(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  canary: Canary,
  { tick, sung }: { tick: number; sung: number },
): Promise<number> {
  const found = await canary.read();
  const lost = sung > 0 && (found === null || found < sung);
  let total = 0;
  if (lost) {
    // A number that stands for a loss: should the store be emptied once more meanwhile, the next one is not written.
    await canary.write(0);
    total = await putBackReady(pool, enqueuer, await enginesWithReady(pool));
  }
  await canary.write(tick);
  return total;
}

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
  const stranded: Engine[] = [];
  for (const engine of await enginesWithReady(pool)) {
    const { rows } = await pool.query<{ stranded: boolean }>({
      name: "stranded",
      text: `SELECT EXISTS (SELECT FROM executions e WHERE e.engine_id = $1 AND e.version = $2 AND e.status = 'queued'
          AND e.wait_reason IS NULL AND e.ready_at < now() - ${strandedMs} * interval '1 millisecond') AS stranded`,
      values: [engine.engineId, engine.version],
    });
    if (rows[0]?.stranded === true && (await queue.depth(engine.engineId, engine.version)) === 0) {
      stranded.push(engine);
    }
  }
  return putBackReady(pool, enqueuer, stranded);
}
