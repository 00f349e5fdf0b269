import { durationMs } from "./duration.ts";

/** Why an execution failed, in the words that callers read as `error.code`. */
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

/**
 * What the worker looks for on a thrown value. Properties, not classes: an engine may come with a
 * copy of this package of its own, and `instanceof` knows only one copy.
 */
export interface FailureFacts {
  readonly code: ExecutionErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly details?: unknown;
}

export interface FailureOptions {
  /** The `error.code` that callers read. Default `engine_error`. */
  code?: ExecutionErrorCode | undefined;
  /** JSON that callers find as `error.details`; up to 8 KiB, more is left out. */
  details?: unknown;
  /** What led here: logged, and its message added to what callers read. */
  cause?: unknown;
}

/**
 * The execution can never succeed: it ends `failed` now, whatever attempts are left.
 * Throw it for what the caller has to change.
 *
 * @example throw new TerminalError("the page is behind a login", { code: "upstream_error" })
 */
export class TerminalError extends Error implements FailureFacts {
  override readonly name: string = "TerminalError";
  readonly code: ExecutionErrorCode;
  readonly retryable = false;
  readonly details?: unknown;

  constructor(message: string, options: FailureOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = options.code ?? "engine_error";
    if (options.details !== undefined) this.details = options.details;
  }
}

/**
 * This attempt failed, and the next one is due after `delay`, in place of the engine's backoff.
 * It counts as an attempt: after the last one the execution ends `failed`.
 *
 * @param delay a duration (`"30s"`), milliseconds, or the moment itself; in the past means at once
 * @throws TypeError where `delay` is neither
 *
 * @example throw new RetryAfterError("the API is closed for maintenance", "15m")
 */
export class RetryAfterError extends Error implements FailureFacts {
  override readonly name: string = "RetryAfterError";
  readonly code: ExecutionErrorCode;
  readonly retryable = true;
  readonly retryAfterMs: number;
  readonly details?: unknown;

  constructor(message: string, delay: string | number | Date, options: FailureOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = options.code ?? "engine_error";
    this.retryAfterMs = delayMs(delay);
    if (options.details !== undefined) this.details = options.details;
  }
}

/** An engine that cannot be offered; the message lists every wrong member and its remedy. */
export class EngineDefinitionError extends Error {
  override readonly name = "EngineDefinitionError";
  readonly problems: readonly string[];

  constructor(subject: string, problems: readonly string[]) {
    super(`${subject} cannot be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

function delayMs(delay: string | number | Date): number {
  const ms =
    delay instanceof Date
      ? delay.getTime() - Date.now()
      : typeof delay === "string"
        ? durationMs(delay)
        : delay;
  if (ms === null || !Number.isFinite(ms)) {
    throw new TypeError(
      `RetryAfterError: ${String(delay)} is no delay; give "30s", milliseconds or a Date`,
    );
  }
  return Math.max(0, Math.round(ms));
}
