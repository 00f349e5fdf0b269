import type { Attempt, ExecutionStatus, WaitReason } from "@tl-engine/contract";
import { callsOfExecution } from "../outbound-log/call-json.ts";
import { lateResults, type LateResults } from "./late-results.ts";

/** Who asks: tl-plane sees every execution, everybody else only his own. */
export interface CallerRef {
  readonly kind: "plane" | "program" | "front_end";
  readonly id: string;
}

/** What an answer carries besides the bare record. */
export interface Include {
  output: boolean;
  input: boolean;
  attempts: boolean;
  calls: boolean;
}

/** An execution as it is read: bodies are JSON text and are passed on without a parse. */
export interface ExecutionRow {
  id: string;
  caller_id: string;
  engine_id: string;
  version: number;
  status: ExecutionStatus;
  dispatch: number;
  attempt: number;
  max_attempts: number;
  created_at: Date;
  run_at: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  expires_at: Date;
  due_at: Date | null;
  wait_reason: WaitReason | null;
  /** What a parked one waits for. */
  blocked_by: string | null;
  /** When its circuit may be tried again, where it waits for that. */
  circuit_retry_at: Date | null;
  cancel_requested_at: Date | null;
  cancel_effect: "prevented" | "aborted" | "too_late" | null;
  queued_ms: number | null;
  run_ms: number | null;
  progress: string | null;
  output: string | null;
  /** Bytes of the output, also where it was not asked for. */
  output_bytes: number;
  error: string | null;
  tags: string[];
  metadata: string;
  input: string | null;
  attempts: Omit<Attempt, "late_result">[] | null;
  /** null: none, or not asked for with the attempts. */
  late_results: LateResults | null;
  calls: string | null;
}

const served = `EXISTS (
  SELECT FROM process_engines s JOIN processes p ON p.id = s.process_id
  WHERE s.engine_id = e.engine_id AND s.version = e.version AND p.lease_until > now() AND NOT p.draining)`;

/** Why a queued one does not run, in the contract's words; what the record does not say follows from its surroundings. */
const waitReason = `CASE WHEN e.status <> 'queued' THEN NULL
  WHEN e.wait_reason <> 'dispatch_pending' THEN e.wait_reason
  WHEN NOT ${served} THEN 'no_worker'
  WHEN e.wait_reason IS NOT NULL THEN e.wait_reason
  WHEN e.ready_at > now() - interval '1 second' THEN 'dispatch_pending'
  ELSE 'capacity' END`;

// Only asked for those that wait for one.
const circuitRetryAt = `CASE WHEN e.status = 'queued' AND e.wait_reason = 'circuit_open' AND e.due_at IS NULL THEN
  (SELECT b.retry_at FROM connection_breakers b WHERE b.connection_id = substr(e.blocked_by, length('connection:') + 1)) END`;

/** The select list that makes an {@link ExecutionRow} of `executions e`. */
export function executionColumns(include: Include): string {
  const optional = (on: boolean, column: string, name: string) =>
    `${on ? column : "NULL"} AS ${name}`;
  return `e.id, e.caller_id, e.engine_id, e.version, e.status, e.dispatch, e.attempt, e.max_attempts,
    e.created_at, e.run_at, e.started_at, e.finished_at, e.expires_at, e.due_at,
    ${waitReason} AS wait_reason, e.blocked_by, ${circuitRetryAt} AS circuit_retry_at, e.cancel_requested_at, e.cancel_effect,
    extract(epoch FROM coalesce(e.started_at, e.finished_at) - greatest(e.created_at, e.run_at))::float8 * 1000 AS queued_ms,
    CASE WHEN e.finished_at IS NOT NULL THEN extract(epoch FROM e.attempt_ended_at - e.attempt_started_at)::float8 * 1000 END AS run_ms,
    e.progress::text AS progress, ${optional(include.output, "e.output::text", "output")},
    coalesce(pg_column_size(e.output), 0) AS output_bytes, e.error::text AS error, e.tags,
    e.metadata::text AS metadata, ${optional(include.input, "e.input::text", "input")},
    ${optional(include.attempts, attempts, "attempts")},
    ${optional(include.attempts, lateResults, "late_results")}, ${optional(include.calls, callsOfExecution, "calls")}`;
}

// Attempts are listed when they end without ending the execution; the last one is the record itself. A row that left
// `queued` for good has no attempt of its own: the listed one was under the dispatch just before.
const attempts = `coalesce(e.earlier_attempts, '[]') || CASE
  WHEN e.attempt_started_at IS NOT NULL AND (e.status = 'running' OR (e.finished_at IS NOT NULL
    AND coalesce((e.earlier_attempts -> -1 ->> 'dispatch')::int, -2) <> e.dispatch - 1))
  THEN jsonb_build_array(jsonb_build_object('attempt', e.attempt, 'dispatch', e.dispatch, 'worker_id', e.worker_id,
    'started_at', e.attempt_started_at, 'finished_at', CASE WHEN e.finished_at IS NULL THEN NULL ELSE e.attempt_ended_at END,
    'outcome', e.status, 'error', e.error)) ELSE '[]' END`;
