import { ConnectionFailedError, ResponseTooLargeError, UpstreamError } from "../errors.ts";

/** How the other side ended a connection. */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** Codes that are an orderly end (RFC 6455 §7.4.1): done, going away, and a close frame without a code. */
const ORDERLY: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/** Codes after which the same exchange may go well: an error inside, a restart, try again later, a bad gateway. */
const PASSING: ReadonlySet<number> = new Set([1011, 1012, 1013, 1014]);

/** Whether a close is no error. */
export function isOrderly({ code }: Close): boolean {
  return ORDERLY.has(code);
}

/**
 * What a close that is no orderly one means. 1006 is no close at all: the connection broke. 1009 says that a message of
 * ours was too large. 3000 to 4999 are the service's own words, and say that it did not like what it was told.
 *
 * @param repeatable whether the exchange may be made again: nothing was sent, or it was said that nothing is done twice
 */
export function closeError(what: string, close: Close, repeatable: boolean): Error {
  const { code } = close;
  if (code === 1006) {
    return new ConnectionFailedError(`${what}: the connection broke`, { retryable: repeatable });
  }
  if (code === 1009) {
    return new ResponseTooLargeError(`${what}: the other side found a message too large (1009)`);
  }
  return new UpstreamError(`${what}: closed with ${code}`, {
    status: code,
    retryable: PASSING.has(code) && repeatable,
  });
}
