import type { ExecutionStatus } from "@tl-engine/contract";
import { createBatcher } from "../batch/batcher.ts";
import type { Database } from "../db/database.ts";
import { isUnavailable } from "../db/error-class.ts";
import type { Backlog } from "./backlog.ts";
import type { Enqueuer } from "./enqueuer.ts";
import type { FaultHooks } from "./hooks.ts";
import type { TombstoneRow } from "./tombstones.ts";
import { priorityRank, recordExecutions, type NewExecution, type Recorded } from "./record.ts";

/** What a submit's answer says of an execution. */
export interface AcceptedExecution {
  id: string;
  engine_id: string;
  version: number;
  status: ExecutionStatus;
  created_at: Date;
}

/**
 * `replayed`: the same request was accepted before; `purged`: it was, and what it came to has been removed since (its
 * tombstone is null where that has gone too); `mismatch`: its key belongs to another request.
 */
export type SubmitResult =
  | { kind: "accepted" | "replayed"; execution: AcceptedExecution }
  | { kind: "purged"; id: string; tombstone: Buried | null }
  | { kind: "mismatch" };
type Buried = Pick<TombstoneRow, "execution_id" | "status" | "finished_at">;

export interface Submitter {
  /**
   * Records the execution, and resolves once that is committed; it is enqueued right behind.
   * @throws what Postgres says; see isUnavailable
   */
  submit(execution: NewExecution): Promise<SubmitResult>;
  /** What an earlier request with this key came to, if there is one. */
  findReplay(callerId: string, key: string, requestHash: Buffer): Promise<SubmitResult | null>;
}

type Replay = { request_hash: Buffer; execution_id: string } & {
  last_status: TombstoneRow["status"] | null;
  finished_at: Date | null;
} & (AcceptedExecution | { id: null });

export interface SubmitterOptions {
  db: Database;
  enqueuer: Enqueuer;
  backlog: Backlog;
  /** Makes sure that this process' lease holds, since others enqueue for it only while they know of it. */
  ensureLease(): Promise<void>;
  /** Hears of an execution that becomes ready in this many ms. */
  dueIn?(ms: number): void;
  hooks?: FaultHooks;
}

/** Records and enqueues; submits that arrive while a commit is in flight share the next one. */
export function createSubmitter({
  db,
  enqueuer,
  backlog,
  ensureLease,
  dueIn,
  hooks,
}: SubmitterOptions): Submitter {
  const batcher = createBatcher<NewExecution, Recorded | null>({
    maxItems: 256,
    lanes: 1,
    run: async (batch) => {
      await ensureLease();
      try {
        return await recordAndEnqueue(batch);
      } catch (error) {
        if (isUnavailable(error)) throw error;
        if (batch.length === 1) return [error as Error];
        // One that Postgres does not take must not take the others along.
        const results: (Recorded | null | Error)[] = [];
        for (const execution of batch) {
          results.push(
            await recordAndEnqueue([execution]).then(
              ([recorded]) => recorded ?? null,
              (reason: Error) => reason,
            ),
          );
        }
        return results;
      }
    },
  });

  async function recordAndEnqueue(batch: NewExecution[]): Promise<(Recorded | null)[]> {
    const ticket = enqueuer.open();
    let recorded: Map<string, Recorded>;
    try {
      recorded = await recordExecutions(db.pool, enqueuer.processId, batch, backlog.plan(batch));
    } catch (error) {
      enqueuer.drop(ticket, isUnavailable(error) ? "unknown" : "failed");
      throw error;
    }
    await hooks?.afterRecord?.();
    const ready = batch.flatMap((execution) => {
      const row = recorded.get(execution.id);
      if (row === undefined) return [];
      if (row.ready_at === null) {
        if (row.status === "scheduled" && row.run_at !== null)
          dueIn?.(row.run_at.getTime() - row.created_at.getTime());
        return [];
      }
      return [
        {
          id: row.id,
          dispatch: row.dispatch,
          engine_id: execution.engineId,
          version: execution.version,
          priority: priorityRank[execution.priority],
          ready_at: row.ready_at,
        },
      ];
    });
    // The answer does not wait for the queue: the row is the outbox.
    void enqueuer.enqueue(ticket, ready);
    backlog.placed(
      batch.flatMap((execution) => {
        const row = recorded.get(execution.id);
        return row?.status === "queued" ? [{ ...execution, waits: row.ready_at === null }] : [];
      }),
    );
    return batch.map((execution) => recorded.get(execution.id) ?? null);
  }

  async function findReplay(
    callerId: string,
    key: string,
    requestHash: Buffer,
  ): Promise<SubmitResult | null> {
    const { rows } = await db.pool.query<Replay>({
      name: "find-replay",
      text: `SELECT k.request_hash, k.execution_id, e.id, e.engine_id, e.version, e.status, e.created_at,
          t.status AS last_status, t.finished_at
        FROM idempotency_keys k LEFT JOIN executions e ON e.id = k.execution_id
        LEFT JOIN execution_tombstones t ON t.execution_id = k.execution_id
        WHERE k.caller_id = $1 AND k.key = $2 AND k.created_at >= now() - interval '24 hours'`,
      values: [callerId, key],
    });
    const found = rows[0];
    if (found === undefined) return null;
    if (!found.request_hash.equals(requestHash)) return { kind: "mismatch" };
    // A key is kept for its 24 h whatever the time of retention is: it never makes a second execution.
    if (found.id === null) {
      const { execution_id, last_status: status, finished_at } = found;
      const tombstone = status && finished_at && { execution_id, status, finished_at };
      return { kind: "purged", id: execution_id, tombstone };
    }
    return { kind: "replayed", execution: found };
  }

  return {
    async submit(execution) {
      for (let round = 0; ; round += 1) {
        const recorded = await batcher.add(execution);
        if (recorded !== null) {
          const { id, status, created_at } = recorded;
          const { engineId, version } = execution;
          return {
            kind: "accepted",
            execution: { id, status, created_at, engine_id: engineId, version },
          };
        }
        const { callerId, idempotency } = execution;
        const found =
          idempotency && (await findReplay(callerId, idempotency.key, idempotency.requestHash));
        if (found) return found;
        // The key ran out between the two statements: it is free now.
        if (round === 2) throw new Error("an idempotency key is neither taken nor free");
      }
    },
    findReplay,
  };
}
