import { errors } from "undici";

import { ContentCodingError } from "./content-coding.ts";
import {
  ConnectionFailedError,
  OutboundError,
  OutboundRefusedError,
  ResponseTooLargeError,
  UpstreamError,
} from "./errors.ts";
import { type Hop } from "./redirect.ts";
import { BodyTooLarge } from "./response-bytes.ts";
import { shownPath } from "./shown-path.ts";

/** Method, host and path of a hop: never the query. */
export function describeHop({ target, request, hidesPath }: Hop): string {
  const path = shownPath(target.url, hidesPath, 256);
  return `${request.method} ${target.url.protocol}//${target.url.host}${path}`;
}

/** Whether the answer was there and only its body can't be used. */
export function isBodyError(error: unknown): boolean {
  return error instanceof BodyTooLarge || error instanceof ContentCodingError;
}

/** Whether undici found the request itself wrong: it sent nothing. */
export function isInvalidRequest(error: unknown): boolean {
  return codeOf(error) === "UND_ERR_INVALID_ARG";
}

/**
 * What went wrong with a hop, in this package's words.
 *
 * @param retryable whether nothing was sent yet that must not be sent again.
 */
export function callError(hop: Hop, error: unknown, retryable: boolean): OutboundError {
  if (error instanceof ConnectionFailedError) {
    if (!error.retryable || retryable) return error;
    return new ConnectionFailedError(error.message, { retryable, cause: error.cause });
  }
  if (error instanceof OutboundError) return error;
  const what = describeHop(hop);
  if (error instanceof BodyTooLarge) {
    return new ResponseTooLargeError(`${what}: ${error.message} and was cut`);
  }
  if (error instanceof ContentCodingError) {
    return new UpstreamError(`${what}: ${error.message}`, { retryable: false, cause: error });
  }
  return fromUndici(what, error, retryable);
}

function fromUndici(what: string, error: unknown, retryable: boolean): OutboundError {
  const code = codeOf(error);
  if (code === "UND_ERR_HEADERS_OVERFLOW") {
    return new ResponseTooLargeError(`${what}: the headers are too large`);
  }
  if (isInvalidRequest(error)) return new OutboundRefusedError(`${what} cannot be written`);
  if (error instanceof errors.HTTPParserError) {
    // Not as its cause: undici keeps the bytes at fault on it, which may be anybody's secret.
    return new UpstreamError(`${what}: the answer is no valid HTTP`, { retryable });
  }
  return new ConnectionFailedError(`${what}: the connection broke (${code})`, {
    retryable,
    cause: error,
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
