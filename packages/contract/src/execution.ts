import { z } from "zod";
import { outboundCallSchema } from "./outbound-call.ts";
import { tombstoneSchema } from "./tombstone.ts";

/** Every status of an execution, in the order in which it can go through them. */
export const executionStatuses = [
  "scheduled",
  "queued",
  "running",
  "succeeded",
  "failed",
  "canceled",
  "expired",
] as const;
export type ExecutionStatus = (typeof executionStatuses)[number];

const finished: ReadonlySet<ExecutionStatus> = new Set([
  "succeeded",
  "failed",
  "canceled",
  "expired",
]);

/** Whether a status is final: a finished execution never changes again. */
export function isDone(status: ExecutionStatus): boolean {
  return finished.has(status);
}

/** Why a queued execution does not run yet. */
export const waitReasons = [
  "capacity",
  "dispatch_pending",
  "retry_backoff",
  "retry_after",
  "paused",
  "no_worker",
  "circuit_open",
  "key_concurrency",
  "engine_concurrency",
] as const;
export type WaitReason = (typeof waitReasons)[number];

/** Why an execution, or one attempt of it, failed. */
export const executionErrorCodes = [
  "engine_error",
  "timeout",
  "engine_crashed",
  "out_of_memory",
  "worker_lost",
  "input_invalid",
  "output_invalid",
  "output_too_large",
  "connection_failed",
  "upstream_error",
  "outbound_refused",
  "no_such_version",
] as const;
export type ExecutionErrorCode = (typeof executionErrorCodes)[number];

/** A failed execution's error: an RFC 9457 object. */
export const executionErrorSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    detail: z.string(),
    code: z.enum(executionErrorCodes),
    retryable: z.boolean(),
    attempt: z.int(),
    details: z.unknown().optional(),
  })
  .meta({ id: "ExecutionError" });
export type ExecutionError = z.infer<typeof executionErrorSchema>;

export const priorities = ["high", "normal", "low"] as const;
export type Priority = (typeof priorities)[number];

const timestamp = z.string().meta({ format: "date-time" });
const executionId = z.string().meta({ format: "uuid" });

export const linksSchema = z
  .object({ self: z.string(), status: z.string(), cancel: z.string() })
  .meta({ id: "ExecutionLinks" });

export const cancelSchema = z
  .object({
    requested_at: timestamp,
    effect: z.enum(["prevented", "aborted", "too_late"]).nullable(),
  })
  .meta({ id: "Cancel" });

export const progressSchema = z
  .object({
    fraction: z.number().min(0).max(1),
    message: z.string().nullable(),
    updated_at: timestamp,
  })
  .meta({ id: "Progress" });

/** What came of an attempt that was somebody else's by then: it was dropped. `code` is a failure's. */
export const lateResultSchema = z
  .object({
    outcome: z.enum(["succeeded", "failed"]),
    code: z.enum(executionErrorCodes).nullable(),
    at: timestamp,
  })
  .meta({ id: "LateResult" });
export type LateResult = z.infer<typeof lateResultSchema>;

/** One attempt (or one delivery that a lost worker took along), as `include=attempts` shows it. */
export const attemptSchema = z
  .object({
    attempt: z.int(),
    dispatch: z.int(),
    worker_id: z.string().nullable(),
    started_at: timestamp.nullable(),
    finished_at: timestamp.nullable(),
    outcome: z.enum([
      "succeeded",
      "failed",
      "canceled",
      "worker_lost",
      "given_back",
      "parked",
      "running",
    ]),
    error: executionErrorSchema.nullable(),
    late_result: lateResultSchema.nullable(),
  })
  .meta({ id: "Attempt" });
export type Attempt = z.infer<typeof attemptSchema>;

/** An execution as `/status` and its lasting address describe it. */
export const executionSchema = z
  .object({
    execution_id: executionId,
    engine: z.string(),
    version: z.int(),
    status: z.enum(executionStatuses),
    done: z.boolean(),
    created_at: timestamp,
    run_at: timestamp.nullable(),
    started_at: timestamp.nullable(),
    finished_at: timestamp.nullable(),
    expires_at: timestamp,
    attempt: z.int(),
    max_attempts: z.int(),
    progress: progressSchema.nullable(),
    wait: z
      .object({
        reason: z.enum(waitReasons),
        until: timestamp.nullable(),
        blocked_by: z.string().nullable(),
      })
      .nullable(),
    output: z.unknown().optional(),
    error: executionErrorSchema.nullable(),
    cancel: cancelSchema.nullable(),
    metrics: z.object({ queued_ms: z.number().nullable(), run_ms: z.number().nullable() }),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.unknown()),
    links: linksSchema,
    input: z.unknown().optional(),
    attempts: z.array(attemptSchema).optional(),
    calls: z.array(outboundCallSchema).optional(),
  })
  .meta({ id: "Execution" });
export type Execution = z.infer<typeof executionSchema>;

/** What a 202 says of the execution just accepted. */
export const acceptedSchema = z
  .object({
    execution_id: executionId,
    engine: z.string(),
    version: z.int(),
    status: z.enum(executionStatuses),
    done: z.boolean(),
    created_at: timestamp,
    links: linksSchema,
  })
  .meta({ id: "Accepted" });
export type Accepted = z.infer<typeof acceptedSchema>;

export const executionListSchema = z
  .object({
    executions: z.array(executionSchema),
    next_cursor: z.string().nullable(),
    not_included: z.array(z.string()).optional(),
  })
  .meta({ id: "ExecutionList" });

export const executionBatchSchema = z
  .object({
    executions: z.array(executionSchema),
    not_found: z.array(z.string()),
    purged: z.array(tombstoneSchema).optional(),
    not_included: z.array(z.string()).optional(),
  })
  .meta({ id: "ExecutionBatch" });
