import type { Accepted, Execution } from "./engine-contract.ts";
import type { Problem, ProblemCode, Tombstone } from "./wire.ts";

/** What every error of this client is an instance of. */
export class TlError extends Error {
  override name = "TlError";
}

/** The API refused: an RFC 9457 problem. */
export class ProblemError extends TlError {
  override name = "ProblemError";
  /** The answer's body. */
  readonly problem: Problem;
  /** What went wrong, as a word to branch on; a newer server may have words that this client doesn't know. */
  readonly code: ProblemCode | (string & {});
  /** The HTTP status. */
  readonly status: number;
  /** Seconds until asking again makes sense, where the API said so. */
  readonly retryAfterSeconds: number | null;
  /** The `X-Request-Id` by which the server's logs know this request. */
  readonly requestId: string | null;

  constructor(
    problem: Problem,
    facts: { status: number; retryAfterSeconds: number | null; requestId: string | null },
  ) {
    const wrong = (problem.errors ?? []).map((e) => `${e.pointer || "/"}: ${e.detail}`);
    super([problem.detail || problem.title, ...wrong].join("; "));
    this.problem = problem;
    this.code = problem.code;
    this.status = facts.status;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.requestId = facts.requestId ?? problem.request_id ?? null;
  }
}

/**
 * The execution is finished, and its record has been removed after its time of retention: `execution_purged`. Also the
 * answer to a submit whose idempotency key belongs to such an execution; it is not run again.
 */
export class ExecutionPurgedError extends ProblemError {
  override name = "ExecutionPurgedError";
  /** Its id, how it ended and when; null where nothing more is known of it. */
  readonly tombstone: Tombstone | null;

  constructor(problem: Problem, facts: ConstructorParameters<typeof ProblemError>[1]) {
    super(problem, facts);
    this.tombstone = problem.tombstone ?? null;
  }
}

/** Nobody answered: the name doesn't resolve, the connection was refused or broke, or time ran out. */
export class ConnectionError extends TlError {
  override name = "ConnectionError";
  /** The address that was called, without its query. */
  readonly url: string;
  readonly timedOut: boolean;

  constructor(url: string, reason: string, options: { cause?: unknown; timedOut?: boolean } = {}) {
    super(`${url} can't be reached: ${reason}`, { cause: options.cause });
    this.url = url;
    this.timedOut = options.timedOut ?? false;
  }
}

/** Something answered that doesn't speak the API's language: a proxy's page, a redirect, broken JSON. */
export class UnexpectedAnswerError extends TlError {
  override name = "UnexpectedAnswerError";
  readonly status: number;
  readonly requestId: string | null;

  constructor(message: string, status: number, requestId: string | null) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

/** The execution ended without a result: failed, canceled or expired. */
export class ExecutionFailedError extends TlError {
  override name = "ExecutionFailedError";
  readonly executionId: string;
  readonly execution: Execution;
  readonly status: "failed" | "canceled" | "expired";
  /** The execution's `error.code`; null where it was canceled or expired without one. */
  readonly code: string | null;

  constructor(execution: Execution) {
    const { engine, execution_id: id, error } = execution;
    super(`The execution ${id} of ${engine} ${ending(execution.status)}${reason(error)}`);
    this.executionId = id;
    this.execution = execution;
    this.status = execution.status as "failed" | "canceled" | "expired";
    this.code = error?.code ?? null;
  }
}

/** The time given for waiting ran out; the execution itself goes on. */
export class WaitTimeoutError extends TlError {
  override name = "WaitTimeoutError";
  readonly executionId: string;
  /** The execution as it was last seen; null if it was never seen. */
  readonly execution: Accepted | Execution | null;

  constructor(executionId: string, timeoutMs: number, execution: Accepted | Execution | null) {
    const state = execution ? ` (it is ${execution.status})` : "";
    super(`The execution ${executionId} was not done within ${timeoutMs} ms${state}; it goes on`);
    this.executionId = executionId;
    this.execution = execution;
  }
}

function ending(status: string): string {
  if (status === "expired") return "expired before it could start";
  return status === "canceled" ? "was canceled" : status;
}

function reason(error: Execution["error"]): string {
  return error ? `: ${error.code}, ${error.detail}` : "";
}
