import { isDone, type Attempt, type ExecutionStatus } from "@tl-engine/contract";
import { createHash } from "node:crypto";
import { remoteHolder, remoteHolderName } from "./remote-holder.ts";
import type { ExecutionRow } from "./row.ts";

/** The addresses of an execution; only routes that exist. */
export function executionLinks(
  id: string,
  engineId: string,
): Record<"self" | "status" | "cancel", string> {
  return {
    self: `/api/v1/executions/${id}`,
    status: `/api/v1/engines/${engineId}/status?execution_id=${id}`,
    cancel: `/api/v1/executions/${id}/cancel`,
  };
}

/** Which optional members a status body has. */
export interface DescribeOptions {
  /** Lists leave the output out; everywhere else it is there, null until it is set. */
  output: boolean;
}

/** The status body as JSON text; bodies are put in as they are, without a parse. */
export function describeExecution(row: ExecutionRow, options: DescribeOptions): string {
  const members: [string, string][] = [
    ["execution_id", JSON.stringify(row.id)],
    ["engine", JSON.stringify(row.engine_id)],
    ["version", String(row.version)],
    ["status", JSON.stringify(row.status)],
    ["done", String(isDone(row.status))],
    ["created_at", time(row.created_at)],
    ["run_at", time(row.run_at)],
    ["started_at", time(row.started_at)],
    ["finished_at", time(row.finished_at)],
    ["expires_at", time(row.expires_at)],
    ["attempt", String(row.attempt)],
    ["max_attempts", String(row.max_attempts)],
    ["progress", row.progress ?? "null"],
    ["wait", JSON.stringify(waitOf(row))],
  ];
  if (options.output) members.push(["output", row.output ?? "null"]);
  members.push(
    ["error", row.status === "failed" ? (row.error ?? "null") : "null"],
    ["cancel", JSON.stringify(cancelOf(row))],
    ["metrics", JSON.stringify({ queued_ms: rounded(row.queued_ms), run_ms: rounded(row.run_ms) })],
    ["tags", JSON.stringify(row.tags)],
    ["metadata", row.metadata],
    ["links", JSON.stringify(executionLinks(row.id, row.engine_id))],
  );
  if (row.input !== null) members.push(["input", row.input]);
  if (row.attempts !== null)
    members.push(["attempts", JSON.stringify(attemptsOf(row.attempts, row.late_results))]);
  if (row.calls !== null) members.push(["calls", row.calls]);
  return `{${members.map(([name, value]) => `"${name}":${value}`).join(",")}}`;
}

/** What a 202 says of an execution. */
export function describeAccepted(row: {
  id: string;
  engine_id: string;
  version: number;
  status: ExecutionStatus;
  created_at: Date;
}): string {
  return JSON.stringify({
    execution_id: row.id,
    engine: row.engine_id,
    version: row.version,
    status: row.status,
    done: isDone(row.status),
    created_at: row.created_at.toISOString(),
    links: executionLinks(row.id, row.engine_id),
  });
}

/** The weak ETag (RFC 9110, 8.8.3) over status, attempt, progress, wait reason and cancel. */
export function etagOf(row: ExecutionRow): string {
  const parts = [
    row.id,
    row.status,
    row.attempt,
    row.progress,
    row.wait_reason,
    row.cancel_requested_at?.getTime() ?? null,
    row.cancel_effect,
  ];
  return `W/"${createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22)}"`;
}

function waitOf(
  row: ExecutionRow,
): { reason: string; until: string | null; blocked_by: string | null } | null {
  if (row.wait_reason === null) return null;
  return {
    reason: row.wait_reason,
    until: (row.due_at ?? row.circuit_retry_at)?.toISOString() ?? null,
    blocked_by: blockedBy(row),
  };
}

function blockedBy(row: ExecutionRow): string | null {
  if (row.wait_reason === "engine_concurrency") return `engine:${row.engine_id}@${row.version}`;
  const isParked = row.wait_reason === "circuit_open" || row.wait_reason === "retry_after";
  return isParked ? row.blocked_by : null;
}

function cancelOf(row: ExecutionRow): { requested_at: string; effect: string | null } | null {
  if (row.cancel_requested_at === null) return null;
  return { requested_at: row.cancel_requested_at.toISOString(), effect: row.cancel_effect };
}

/** Postgres writes times in its own way inside jsonb. */
function asTime(text: string): string {
  return new Date(text).toISOString();
}

function attemptsOf(
  attempts: NonNullable<ExecutionRow["attempts"]>,
  lateResults: ExecutionRow["late_results"],
): Attempt[] {
  return attempts.map((attempt) => {
    const late = lateResults?.[attempt.dispatch];
    return {
      ...attempt,
      worker_id: attempt.worker_id === remoteHolder ? remoteHolderName : attempt.worker_id,
      started_at: attempt.started_at && asTime(attempt.started_at),
      finished_at: attempt.finished_at && asTime(attempt.finished_at),
      late_result: late === undefined ? null : { ...late, at: asTime(late.at) },
    };
  });
}

function time(date: Date | null): string {
  return date === null ? "null" : `"${date.toISOString()}"`;
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.max(0, Math.round(ms * 1000) / 1000);
}
