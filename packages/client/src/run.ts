import {
  isDescribed,
  type Accepted,
  type EngineRef,
  type Execution,
  type InputOf,
  type OutputOf,
} from "./engine-contract.ts";
import { ExecutionFailedError, WaitTimeoutError } from "./errors.ts";
import { execute, type ExecuteOptions } from "./execute.ts";
import type { Http } from "./retry.ts";
import { waitUntilDone } from "./wait-until-done.ts";

export interface RunOptions extends Omit<ExecuteOptions, "wait"> {
  /** Milliseconds to wait for the result at most. Default: as long as it takes. */
  waitTimeoutMs?: number | undefined;
  /** Called with each change on the way. */
  onProgress?: ((execution: Execution) => void) | undefined;
  /** Called once, as soon as the execution is recorded: the id to come back with after a crash. */
  onAccepted?: ((accepted: Accepted | Execution) => void) | undefined;
}

/**
 * Submits an execution and waits for its output.
 *
 * @throws ExecutionFailedError when it ended failed, canceled or expired; WaitTimeoutError when the
 *   time is up (the execution goes on); ProblemError | ConnectionError | UnexpectedAnswerError
 */
export async function run<E extends EngineRef>(
  http: Http,
  engine: E,
  input: InputOf<E>,
  options: RunOptions = {},
): Promise<OutputOf<E>> {
  const { waitTimeoutMs = Infinity, onProgress, onAccepted, signal } = options;
  const startedAt = performance.now();
  // Held by the submit itself, a short execution is one request; a watcher wants the steps between.
  const watched = onProgress !== undefined || onAccepted !== undefined;
  const hold = watched ? 0 : Math.min(30, Math.floor(waitTimeoutMs / 1000));
  const accepted = await execute(http, engine, input, {
    ...options,
    wait: hold > 0 ? hold : undefined,
  });
  onAccepted?.(accepted);
  if (isDescribed(accepted) && accepted.done) return outputOf(accepted);

  const id = accepted.execution_id;
  const remainingMs = waitTimeoutMs - (performance.now() - startedAt);
  if (remainingMs <= 0) throw new WaitTimeoutError(id, waitTimeoutMs, accepted);
  const waiting = { timeoutMs: remainingMs, signal, onProgress };
  const execution = await waitUntilDone<OutputOf<E>>(http, id, waiting).catch((error: unknown) => {
    // The time that was asked for, not what the submit had left of it.
    if (error instanceof WaitTimeoutError) {
      throw new WaitTimeoutError(id, waitTimeoutMs, error.execution);
    }
    throw error;
  });
  return outputOf(execution);
}

function outputOf<Output>(execution: Execution<Output>): Output {
  if (execution.status !== "succeeded") throw new ExecutionFailedError(execution);
  return execution.output as Output;
}
