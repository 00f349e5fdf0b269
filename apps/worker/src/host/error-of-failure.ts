import {
  ConnectionFailedError,
  OutboundError,
  OutboundRefusedError,
  ParkedError,
  TimeoutError,
  UpstreamError,
} from "@tl-engine/outbound/errors";
import type { AskFailure } from "./ask-protocol.ts";

/** The door's own error again, from the facts that crossed to this host. */
export function errorOfFailure(failure: AskFailure): OutboundError {
  const { code, message, retryable, retryAfterMs, status, park } = failure;
  if (park !== undefined) {
    return new ParkedError(
      message,
      park,
      code === "connection_failed" ? "connection_failed" : "upstream_error",
    );
  }
  const facts = { retryable, retryAfterMs };
  switch (code) {
    case "outbound_refused":
      return new OutboundRefusedError(message);
    case "connection_failed":
      return new ConnectionFailedError(message, facts);
    case "timeout":
      return new TimeoutError(message, facts);
    case "upstream_error":
      return new UpstreamError(message, { ...facts, status });
    default:
      return new OutboundError(code, message, facts);
  }
}
