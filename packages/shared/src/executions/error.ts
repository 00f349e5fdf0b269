import type { ExecutionError, ExecutionErrorCode } from "@tl-engine/contract";

const titles: Record<ExecutionErrorCode, string> = {
  engine_error: "The engine failed",
  timeout: "The attempt took too long",
  engine_crashed: "The engine crashed",
  out_of_memory: "The engine ran out of memory",
  worker_lost: "The worker was lost each time",
  input_invalid: "The engine does not take this input",
  output_invalid: "The engine's output is not valid",
  output_too_large: "The engine's output is too large",
  connection_failed: "The outside system could not be reached",
  upstream_error: "The outside system answered with an error",
  outbound_refused: "The call to the outside is not allowed",
  no_such_version: "No worker serves this engine version any more",
};

/** Why an attempt failed, as a worker reports it. */
export interface Failure {
  code: ExecutionErrorCode;
  detail: string;
  retryable: boolean;
  details?: unknown;
}

/** The error as the record keeps it and callers see it. */
export function executionError(failure: Failure, attempt: number): ExecutionError {
  const { code, detail, retryable, details } = failure;
  return {
    type: `https://tl-engine.dev/docs/errors#${code}`,
    title: titles[code],
    detail: cleanText(detail, 4_096) || titles[code],
    code,
    retryable,
    attempt,
    ...(details === undefined ? {} : { details }),
  };
}

/** Text that Postgres can keep: NUL and lone surrogates are replaced, and it ends after `max` characters. */
export function cleanText(text: string, max: number): string {
  const whole = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return whole.toWellFormed().replaceAll("\u0000", "\ufffd");
}

/** The error as JSON text that Postgres can keep, whatever is in its details. */
export function executionErrorText(failure: Failure, attempt: number): string {
  const error = executionError(failure, attempt);
  const text = JSON.stringify(error);
  if (!/\\u0000|\\ud[89a-f]/i.test(text) && text.length <= 64 * 1024) return text;
  delete error.details;
  return JSON.stringify(error);
}
