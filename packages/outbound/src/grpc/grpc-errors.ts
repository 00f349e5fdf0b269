import { Code, ConnectError } from "@connectrpc/connect";
import { ProtobufError } from "@tl-engine/protobuf";

import {
  ConnectionFailedError,
  OutboundError,
  ResponseTooLargeError,
  TimeoutError,
  UpstreamError,
} from "../errors.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** The message does not fit its type, or the descriptors do not have the method: the caller has to change something. */
export class GrpcMessageError extends OutboundError {
  override name = "GrpcMessageError";

  constructor(message: string) {
    super("input_invalid", message, { retryable: false });
  }
}

/** By these codes a server says that it did not act on the call, and that it may come again. */
const NOT_ACTED_ON: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.Aborted,
]);
/** After these nobody knows whether it acted: they come again where nothing is done twice. */
const MAYBE_ACTED_ON: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.Internal,
  Code.DeadlineExceeded,
]);
/** Codes by which a server says that it is broken. */
const FAULTS: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Unknown,
  Code.Internal,
  Code.DataLoss,
]);

/**
 * What a call's end means, in this package's words. The server's message is left out: it may quote anything.
 *
 * @param repeatable whether the call may have its effect twice
 * @param deadlineMs the call's own deadline
 */
export function grpcError(
  what: string,
  thrown: unknown,
  repeatable: boolean,
  deadlineMs: number,
): Error {
  if (thrown instanceof OutboundError) return thrown;
  if (thrown instanceof ProtobufError) return new GrpcMessageError(thrown.message);
  if (!(thrown instanceof ConnectError)) {
    return new ConnectionFailedError(`${what}: the connection broke`, {
      retryable: repeatable,
      cause: thrown,
    });
  }
  const { code } = thrown;
  if (code === Code.DeadlineExceeded) {
    return new TimeoutError(`${what}: no whole answer within ${Math.round(deadlineMs)} ms`, {
      retryable: repeatable,
    });
  }
  if (code === Code.ResourceExhausted && /larger than configured/.test(thrown.rawMessage)) {
    return new ResponseTooLargeError(`${what}: a message is larger than is taken, and was cut`);
  }
  // Whatever the server says comes with its headers or trailers.
  if ([...thrown.metadata].length === 0) return unsaid(what, thrown, repeatable);
  return new UpstreamError(`${what} ended with ${Code[code]} (${code})`, {
    status: code,
    retryable: NOT_ACTED_ON.has(code) || (MAYBE_ACTED_ON.has(code) && repeatable),
    retryAfterMs: retryDelayMs(thrown),
  });
}

/** The end of a call to which the server said nothing: its connection broke, or what came could not be read. */
function unsaid(what: string, { code }: ConnectError, repeatable: boolean): OutboundError {
  if (code === Code.Canceled || code === Code.Unavailable || code === Code.Aborted) {
    return new ConnectionFailedError(`${what}: the connection broke`, { retryable: repeatable });
  }
  return new UpstreamError(`${what}: the answer is no valid gRPC`, { retryable: false });
}

/** Whether an error says that the other side is broken. */
export function isGrpcFault(error: OutboundError): boolean {
  return error instanceof UpstreamError && FAULTS.has(error.status as Code);
}

/** Whether the server does not know who calls. */
export function isUnauthenticated(error: unknown): boolean {
  return error instanceof UpstreamError && error.status === Code.Unauthenticated;
}
