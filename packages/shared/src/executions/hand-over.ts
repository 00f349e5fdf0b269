import { createBatcher } from "../batch/batcher.ts";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import type { FaultHooks } from "./hooks.ts";
import { remoteHolder } from "./remote-holder.ts";
import { untilAvailable } from "./until-available.ts";

/** A running execution that a service has taken on: it will say later what came of it. */
export interface HandOver {
  id: string;
  dispatch: number;
}

/**
 * `handed_over`: the service holds it now. `canceled`: that had been asked for, and nothing waits for the service.
 * `stale`: it is no longer this worker's; among others because the service has completed it already.
 */
export type HandedOver = "handed_over" | "canceled" | "stale";

export interface HandOverWriter {
  /** Waits for Postgres where it is away. */
  handOver(item: HandOver): Promise<HandedOver>;
}

export interface HandOverOptions {
  db: Database;
  signals: Signals;
  /** Only what this worker holds is handed over. */
  workerId: string;
  onError: (error: unknown) => void;
  hooks?: FaultHooks;
}

const canceled = "(e.cancel_requested_at IS NOT NULL)";

// Its dispatch stays: it does not leave `running`, and the service's token names it. The worker's part of the deadline
// (grace and margin) goes. The rows are found, and locked, by id; see settle.ts.
const statement = `
UPDATE executions e SET worker_id = '${remoteHolder}',
  status = CASE WHEN ${canceled} THEN 'canceled' ELSE 'running' END,
  deadline_at = CASE WHEN ${canceled} THEN NULL ELSE e.attempt_started_at + e.timeout_ms * interval '1 millisecond' END,
  finished_at = CASE WHEN ${canceled} THEN now() END,
  attempt_ended_at = CASE WHEN ${canceled} THEN now() END,
  cancel_effect = CASE WHEN ${canceled} THEN 'aborted' END
FROM (SELECT * FROM unnest($1::uuid[], $2::int[]) AS h(id, dispatch) ORDER BY id) AS h
WHERE e.id = h.id AND e.dispatch = h.dispatch AND e.status || '' = 'running' AND e.worker_id = $3
RETURNING e.id, e.status`;

/** See {@link HandOverWriter}; those that come while a commit is in flight share the next one. */
export function createHandOver(options: HandOverOptions): HandOverWriter {
  const { db, signals, workerId, onError, hooks } = options;
  const batcher = createBatcher<HandOver, HandedOver>({
    maxItems: 256,
    lanes: 1,
    async run(items) {
      await hooks?.beforeHandOver?.();
      const { rows } = await db.pool.query<{ id: string; status: "running" | "canceled" }>({
        name: "hand-over",
        text: statement,
        values: [items.map(({ id }) => id), items.map(({ dispatch }) => dispatch), workerId],
      });
      const ended = rows.filter(({ status }) => status === "canceled");
      if (ended.length > 0) signals.publish("settled", ended.map(({ id }) => id).join(","));
      const written = new Map(rows.map(({ id, status }) => [id, status]));
      return items.map(({ id }) => {
        const status = written.get(id);
        if (status === undefined) return "stale";
        return status === "running" ? "handed_over" : "canceled";
      });
    },
  });
  return { handOver: (item) => untilAvailable(() => batcher.add(item), { onError }) };
}
