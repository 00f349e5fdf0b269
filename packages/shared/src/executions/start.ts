import { createBatcher } from "../batch/batcher.ts";
import type { Database } from "../db/database.ts";
import type { DeliveryItem } from "../queue/queue.ts";
import { startBelowCeiling } from "./ceiling.ts";
import type { FaultHooks } from "./hooks.ts";
import { priorityOf } from "./record.ts";
import { startAssignments, startedColumns, startGuard, type StartedRow } from "./start-sql.ts";
import { overdueMarginMs } from "./state.ts";
import { untilAvailable } from "./until-available.ts";

/** An execution that this worker holds now, under this dispatch. */
export interface StartedExecution {
  id: string;
  dispatch: number;
  attempt: number;
  maxAttempts: number;
  engineId: string;
  version: number;
  callerId: string;
  priority: ReturnType<typeof priorityOf>;
  timeoutMs: number;
  /** How long it had been ready, ms. */
  queuedMs: number;
  inputText: string;
  /** It is suspected of having blocked or crashed a shared host and has to run alone. */
  alone: boolean;
  traceparent: string | null;
}

export interface Starter {
  /**
   * Moves queued executions to running, in the order given. What is not queued under its dispatch any more, has
   * expired, or is over its engine's ceiling is missing in the answer: that delivery is to be dropped.
   * Waits for Postgres where it is away. @throws when `signal` aborts meanwhile
   */
  start(
    engine: StartableEngine,
    items: readonly DeliveryItem[],
    signal: AbortSignal,
  ): Promise<StartedExecution[]>;
}

/** The engine version that a delivery came for. */
export interface StartableEngine {
  engineId: string;
  version: number;
  /** How many may run at once over all workers; null: any number. */
  concurrency: number | null;
}

export interface StarterOptions {
  db: Database;
  workerId: string;
  graceMs: number;
  ensureLease(): Promise<void>;
  onError: (error: unknown) => void;
  hooks?: FaultHooks;
}

const statement = `UPDATE executions e SET ${startAssignments}
FROM unnest($3::uuid[], $4::int[]) AS d(id, dispatch)
WHERE e.id = d.id AND e.dispatch = d.dispatch AND ${startGuard}
RETURNING ${startedColumns}`;

/** See {@link Starter}; starts that are asked for while a commit is in flight share the next one. */
export function createStarter(options: StarterOptions): Starter {
  const { db, workerId, graceMs, ensureLease, onError, hooks } = options;
  const batcher = createBatcher<DeliveryItem, StartedExecution | null>({
    maxItems: 256,
    lanes: 1,
    run: async (items) => {
      await ensureLease();
      const { rows } = await db.pool.query<StartedRow>({
        name: "start-executions",
        text: statement,
        values: [
          workerId,
          graceMs + overdueMarginMs,
          items.map(([id]) => id),
          items.map(([, dispatch]) => dispatch),
        ],
      });
      await hooks?.afterStart?.();
      const started = new Map(rows.map((row) => [row.id, row]));
      return items.map(([id, dispatch]) => {
        const row = started.get(id);
        // The same execution may stand twice in one batch, under two dispatches.
        return row === undefined || row.dispatch !== dispatch + 1 ? null : startedOf(row);
      });
    },
  });

  async function startLimited(
    { engineId, version }: StartableEngine,
    concurrency: number,
    items: readonly DeliveryItem[],
  ): Promise<StartedExecution[]> {
    await ensureLease();
    const limits = { engineId, version, concurrency };
    const marginMs = graceMs + overdueMarginMs;
    const rows = await startBelowCeiling(db.pool, workerId, marginMs, limits, items);
    await hooks?.afterStart?.();
    return rows.map(startedOf);
  }

  return {
    async start(engine, items, signal) {
      const { concurrency } = engine;
      if (concurrency !== null) {
        return untilAvailable(() => startLimited(engine, concurrency, items), { signal, onError });
      }
      const results = await Promise.all(
        items.map((item) => untilAvailable(() => batcher.add(item), { signal, onError })),
      );
      // A delivery may name an execution twice.
      const once = new Map(results.flatMap((started) => (started ? [[started.id, started]] : [])));
      return [...once.values()];
    },
  };
}

function startedOf(row: StartedRow): StartedExecution {
  return {
    id: row.id,
    dispatch: row.dispatch,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    engineId: row.engine_id,
    version: row.version,
    callerId: row.caller_id,
    priority: priorityOf(row.priority),
    timeoutMs: row.timeout_ms,
    queuedMs: row.queued_ms,
    inputText: row.input,
    alone: row.alone,
    traceparent: row.traceparent,
  };
}
