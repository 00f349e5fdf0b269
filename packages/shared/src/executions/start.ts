import { createBatcher, type Batcher } from "../batch/batcher.ts";
import type { Database } from "../db/database.ts";
import type { DeliveryItem } from "../queue/queue.ts";
import { startBelowCeiling } from "./ceiling.ts";
import type { FaultHooks } from "./hooks.ts";
import { priorityOf } from "./record.ts";
import {
  lease,
  startAssignments,
  startedColumns,
  startedRows,
  startGuard,
  type StartAnswer,
  type StartedRow,
} from "./start-sql.ts";
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
  /** Whole workers that were lost with it so far. */
  losses: number;
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
  /** Renews the lease, which has ended by Postgres' clock though this process took it for good. */
  renewLease(): Promise<void>;
  onError: (error: unknown) => void;
  hooks?: FaultHooks;
}

// By id, so that two workers that were given the same deliveries do not wait for one another.
const statement = `WITH ${lease}, started AS (
  UPDATE executions e SET ${startAssignments}
  FROM (SELECT * FROM unnest($3::uuid[], $4::int[]) AS d(id, dispatch) ORDER BY id) AS d
  WHERE e.id = d.id AND e.dispatch = d.dispatch AND ${startGuard}
  RETURNING ${startedColumns}
) SELECT lease.holds, started.* FROM lease LEFT JOIN started ON true`;

/** A lease that ends as soon as it is renewed is not renewed more often than this. */
const maxRenewals = 3;

/** See {@link Starter}; starts that are asked for while a commit is in flight share the next one. */
export function createStarter(options: StarterOptions): Starter {
  const { db, workerId, graceMs, ensureLease, renewLease, onError, hooks } = options;
  const marginMs = graceMs + overdueMarginMs;
  /** By engine version where it has a ceiling: its starts take turns over all workers, and so do those in here. */
  const limited = new Map<string, Batcher<DeliveryItem, StartedExecution | null>>();
  const unlimited = batcherOf(async (items) => {
    const { rows } = await db.pool.query<StartAnswer>({
      name: "start-executions",
      text: statement,
      values: [workerId, marginMs, items.map(([id]) => id), items.map(([, dispatch]) => dispatch)],
    });
    return startedRows(rows);
  });

  /** @param write starts executions in one commit; null where the lease had ended */
  function batcherOf(
    write: (items: DeliveryItem[]) => Promise<StartedRow[] | null>,
  ): Batcher<DeliveryItem, StartedExecution | null> {
    return createBatcher<DeliveryItem, StartedExecution | null>({
      maxItems: 256,
      lanes: 1,
      run: async (items) => {
        await ensureLease();
        let rows = await write(items);
        for (let renewals = 0; rows === null; renewals += 1) {
          if (renewals === maxRenewals) throw new Error("this worker's lease cannot be kept");
          await renewLease();
          rows = await write(items);
        }
        await hooks?.afterStart?.();
        const started = new Map(rows.map((row) => [row.id, row]));
        return items.map(([id, dispatch]) => {
          const row = started.get(id);
          if (row === undefined || row.dispatch !== dispatch + 1) return null;
          // It may stand in one batch twice, by a doubled delivery: the first one has it.
          started.delete(id);
          return startedOf(row);
        });
      },
    });
  }

  function batcherFor({ engineId, version, concurrency }: StartableEngine) {
    if (concurrency === null) return unlimited;
    const name = `${engineId}@${version}`;
    let batcher = limited.get(name);
    if (batcher === undefined) {
      const limits = { engineId, version, concurrency };
      batcher = batcherOf((items) => startBelowCeiling(db.pool, workerId, marginMs, limits, items));
      limited.set(name, batcher);
    }
    return batcher;
  }

  return {
    async start(engine, items, signal) {
      const batcher = batcherFor(engine);
      const results = await Promise.all(
        items.map((item) => untilAvailable(() => batcher.add(item), { signal, onError })),
      );
      return results.filter((started) => started !== null);
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
    losses: row.losses,
    traceparent: row.traceparent,
  };
}
