import {
  engineName,
  type Accepted,
  type EngineRef,
  type Execution,
  type InputOf,
  type OutputOf,
} from "./engine-contract.ts";
import { makeIdempotencyKey } from "./idempotency-key.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import { submitBody, type SubmitSettings } from "./submit-body.ts";

export interface ExecuteOptions extends SubmitSettings {
  /**
   * Two submits with one key are one execution, for 24 h. Made for each call when left out, and the
   * same on each retry within the call; give your own to be safe over a restart of your program too.
   */
  idempotencyKey?: string | undefined;
  /** Whole seconds (1–60) for which the API may hold the answer until the execution is done. Default: not at all. */
  wait?: number | undefined;
  /** Ends the call; an execution that was accepted already goes on. */
  signal?: AbortSignal | undefined;
}

/**
 * Submits an execution.
 *
 * @returns the receipt; with `wait`, the full description if it was done in time (`isDescribed`)
 * @throws ProblemError | ConnectionError | UnexpectedAnswerError
 */
export async function execute<E extends EngineRef>(
  http: Http,
  engine: E,
  input: InputOf<E>,
  options: ExecuteOptions = {},
): Promise<Accepted | Execution<OutputOf<E>>> {
  const { wait, signal, idempotencyKey = makeIdempotencyKey() } = options;
  const answer = await http.send({
    method: "POST",
    path: pathOf("engines", engineName(engine), "execute"),
    headers: {
      "idempotency-key": quoted(idempotencyKey),
      ...(wait === undefined ? {} : { prefer: `wait=${wait}` }),
    },
    json: submitBody(input, options),
    holdSeconds: wait ?? 0,
    signal,
  });
  return answer.body as Accepted | Execution<OutputOf<E>>;
}

/** As a structured field's string (RFC 9651), the header's standard form; the API takes the key bare too. */
function quoted(key: string): string {
  return `"${key.replaceAll(/(["\\])/g, "\\$1")}"`;
}
