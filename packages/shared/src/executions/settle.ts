import type { ExecutionStatus } from "@tl-engine/contract";
import { createBatcher } from "../batch/batcher.ts";
import type { Database } from "../db/database.ts";
import { isBadValue, isUnavailable } from "../db/error-class.ts";
import type { Signals } from "../signals/signals.ts";
import { executionErrorText, type Failure } from "./error.ts";
import type { FaultHooks } from "./hooks.ts";
import { createLateResultWriter } from "./late-results.ts";
import type { Settlement } from "./settlement.ts";
import { maxIdleMs, maxParkMs, maxParks } from "./state.ts";
import { untilAvailable } from "./until-available.ts";

/**
 * The status that the execution has now, or `stale`: it was no longer running under this dispatch, and nothing was
 * written but, beside that attempt, that this came too late.
 */
export type Settled = ExecutionStatus | "stale";

export interface Settler {
  /** Records what came of an attempt; waits for Postgres where it is away. */
  settle(settlement: Settlement): Promise<Settled>;
}

export interface SettlerOptions {
  db: Database;
  signals: Signals;
  onError: (error: unknown) => void;
  hooks?: FaultHooks;
}

const listed = `jsonb_array_length(coalesce(e.earlier_attempts, '[]'))`;
// Each park has a new deadline, so that nothing else would end it.
const parkedTooOften = `(${listed} >= ${maxParks}
  AND greatest(e.started_at + ${maxIdleMs} * interval '1 millisecond', e.expires_at) <= now())`;
const again = `(s.outcome = 'retry' OR (s.outcome = 'parked' AND NOT ${parkedTooOften}))`;
/** Once a cancel was asked for, only a returned value still counts. */
const next = `CASE WHEN s.outcome = 'succeeded' THEN 'succeeded' WHEN e.cancel_requested_at IS NOT NULL THEN 'canceled'
  WHEN ${again} THEN 'queued' ELSE 'failed' END`;
const waits = `(${again} AND e.cancel_requested_at IS NULL)`;
const parked = `(s.outcome = 'parked' AND ${waits})`;
// Of one that is parked again and again the last time takes the place of the one before: it has the last error.
const kept = `CASE WHEN s.outcome = 'parked' AND ${listed} >= ${maxParks} THEN e.earlier_attempts - -1
  ELSE coalesce(e.earlier_attempts, '[]') END`;

// The rows are locked by id, so that no two statements wait for one another; `|| ''` keeps the planner from walking a
// partial index instead of finding them by id.
const statement = `
UPDATE executions e SET status = ${next},
  attempt_ended_at = now(),
  finished_at = CASE WHEN ${waits} THEN NULL ELSE now() END,
  deadline_at = CASE WHEN ${waits} THEN greatest(now() + (coalesce(s.delay_ms, 0) + ${maxIdleMs}) * interval '1 millisecond',
    CASE WHEN s.delay_ms IS NULL THEN e.expires_at END) END,
  dispatch = CASE WHEN ${waits} THEN e.dispatch + 1 ELSE e.dispatch END,
  attempt = CASE WHEN ${parked} THEN e.attempt - 1 ELSE e.attempt END,
  ready_at = CASE WHEN ${waits} THEN NULL ELSE e.ready_at END,
  due_at = CASE WHEN ${waits} THEN now() + s.delay_ms * interval '1 millisecond' END,
  wait_reason = CASE WHEN ${waits} THEN s.reason END,
  blocked_by = CASE WHEN ${parked} THEN s.blocked_by END,
  output = CASE WHEN s.outcome = 'succeeded' THEN s.output::json END,
  error = CASE WHEN ${next} = 'failed' THEN s.error::json END,
  cancel_effect = CASE WHEN e.cancel_requested_at IS NULL THEN NULL WHEN s.outcome = 'succeeded' THEN 'too_late' ELSE 'aborted' END,
  earlier_attempts = CASE WHEN ${waits} THEN ${kept} || jsonb_build_object('attempt', e.attempt,
    'dispatch', e.dispatch, 'worker_id', e.worker_id, 'started_at', e.attempt_started_at, 'finished_at', now(),
    'outcome', CASE s.outcome WHEN 'parked' THEN 'parked' ELSE 'failed' END, 'error', s.error::jsonb)
    ELSE e.earlier_attempts END
FROM (SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::text[], $8::text[])
  AS s(id, dispatch, outcome, output, error, delay_ms, reason, blocked_by) ORDER BY id) AS s
WHERE e.id = s.id AND e.dispatch = s.dispatch AND e.status || '' = 'running'
RETURNING e.id, e.status`;

/** For what waits for nothing that would ever release it, ms. */
const aimlessParkMs = 60_000;

/** See {@link Settler}; settlements that come while a commit is in flight share the next one. */
export function createSettler({ db, signals, onError, hooks }: SettlerOptions): Settler {
  const batcher = createBatcher<Settlement, Settled>({
    maxItems: 256,
    lanes: 1,
    run: async (batch) => {
      await hooks?.beforeSettle?.();
      try {
        return await write(batch);
      } catch (error) {
        if (isUnavailable(error)) throw error;
        // One that Postgres does not take fails alone.
        const results: (Settled | Error)[] = [];
        for (const settlement of batch) {
          results.push(await writeAlone(settlement).catch((reason: Error) => reason));
        }
        return results;
      }
    },
  });

  async function writeAlone(settlement: Settlement): Promise<Settled> {
    try {
      return (await write([settlement]))[0] ?? "stale";
    } catch (error) {
      // Only what Postgres cannot keep: after a passing error it is settled again.
      if (!isBadValue(error)) throw error;
      return (await write([asUnkeepable(settlement)]))[0] ?? "stale";
    }
  }

  async function write(batch: Settlement[]): Promise<Settled[]> {
    const { rows } = await db.pool.query<{ id: string; status: ExecutionStatus }>({
      name: "settle-executions",
      text: statement,
      values: [
        batch.map((s) => s.id),
        batch.map((s) => s.dispatch),
        batch.map((s) => s.outcome),
        batch.map((s) => (s.outcome === "succeeded" ? s.outputText : null)),
        batch.map((s) =>
          s.outcome === "succeeded" ? null : executionErrorText(s.failure, s.attempt),
        ),
        batch.map(delayOf),
        batch.map((s) => (s.outcome === "retry" || s.outcome === "parked" ? s.reason : null)),
        batch.map((s) => (s.outcome === "parked" ? s.blockedBy : null)),
      ],
    });
    await hooks?.afterSettle?.();
    const written = new Map(rows.map((row) => [row.id, row.status]));
    if (rows.length > 0) signals.publish("settled", rows.map((row) => row.id).join(","));
    return batch.map((settlement) => written.get(settlement.id) ?? "stale");
  }

  const lateResults = createLateResultWriter(db.pool, onError);
  return {
    async settle(settlement) {
      const settled = await untilAvailable(() => batcher.add(settlement), { onError });
      if (settled === "stale") await lateResults.note(settlement);
      return settled;
    },
  };
}

/** ms; null: due when something else says so. */
function delayOf(settlement: Settlement): number | null {
  if (settlement.outcome === "retry") return settlement.delayMs;
  if (settlement.outcome !== "parked") return 0;
  const { delayMs, reason, blockedBy } = settlement;
  if (delayMs !== null) return Math.min(maxParkMs, delayMs);
  // Only what a circuit is known for is released by it.
  const isReleased = reason === "circuit_open" && blockedBy?.startsWith("connection:") === true;
  return isReleased ? null : aimlessParkMs;
}

function asUnkeepable({ id, dispatch, attempt }: Settlement): Settlement {
  const detail = "The engine's output holds text or numbers that cannot be kept.";
  const failure: Failure = { code: "output_invalid", detail, retryable: false };
  return { id, dispatch, attempt, outcome: "failed", failure };
}
