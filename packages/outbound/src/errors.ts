import { type HttpResponse } from "./http-client.ts";

interface OutboundErrorFacts {
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/**
 * What every error of this package looks like. `code` is one of the contract's error codes; whoever
 * catches it reads these members and needs no class of ours. Messages name host and path, never a
 * query, a header or a body.
 */
export class OutboundError extends Error {
  override name = "OutboundError";
  readonly code: string;
  /** Whether the same call may be made again in a later attempt without doing something twice. */
  readonly retryable: boolean;
  /** How long the other side asked to wait, in milliseconds; only when it did. */
  declare readonly retryAfterMs?: number;

  constructor(code: string, message: string, facts: OutboundErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.retryable = facts.retryable;
    if (facts.retryAfterMs !== undefined) this.retryAfterMs = facts.retryAfterMs;
  }
}

/** The call is not allowed: its target, its headers or its method. Nothing was sent to that target. */
export class OutboundRefusedError extends OutboundError {
  override name = "OutboundRefusedError";

  constructor(message: string) {
    super("outbound_refused", message, { retryable: false });
  }
}

/** No connection, or one that broke before the whole answer was there. */
export class ConnectionFailedError extends OutboundError {
  override name = "ConnectionFailedError";

  constructor(message: string, facts: OutboundErrorFacts) {
    super("connection_failed", message, facts);
  }
}

/** The call's own time ran out. (An execution's timeout aborts the scope's signal instead.) */
export class TimeoutError extends OutboundError {
  override name = "TimeoutError";

  constructor(message: string, facts: OutboundErrorFacts) {
    super("timeout", message, facts);
  }
}

/** The other side answered, and the answer is an error or can't be used. */
export class UpstreamError extends OutboundError {
  override name: string = "UpstreamError";
  /** The status, when it is what makes the answer an error. */
  declare readonly status?: number;
  /** The answer, when there was a whole one. Not enumerable, so that no log takes its body along. */
  declare readonly response?: HttpResponse;
  /** For the execution's error: the status only, since bodies may hold secrets. */
  declare readonly details?: { readonly status: number };

  constructor(
    message: string,
    facts: OutboundErrorFacts & {
      readonly status?: number | undefined;
      readonly response?: HttpResponse | undefined;
    },
  ) {
    super("upstream_error", message, facts);
    if (facts.status !== undefined) {
      this.status = facts.status;
      this.details = { status: facts.status };
    }
    if (facts.response) {
      Object.defineProperty(this, "response", { value: facts.response, enumerable: false });
    }
  }
}

/** The answer was larger than the call allows; it was cut, and its connection closed. */
export class ResponseTooLargeError extends UpstreamError {
  override name = "ResponseTooLargeError";

  constructor(message: string) {
    super(message, { retryable: false });
  }
}

/** Why an execution waits without a slot until the outside is ready for it. */
export interface Park {
  readonly reason: "retry_after" | "circuit_open";
  /** How long, ms; null: until the circuit lets it through. */
  readonly delayMs: number | null;
  /** `connection:<id>`; null where the call went to a plain address. */
  readonly blockedBy: string | null;
}

/**
 * The other side cannot be called now, and will be later. Left alone it parks the execution: its slot is free, no
 * attempt is counted, and it starts anew when the time has come. Nothing is known to have been done by this call.
 */
export class ParkedError extends OutboundError {
  override name = "ParkedError";
  readonly park: Park;

  constructor(
    message: string,
    park: Park,
    code: "connection_failed" | "upstream_error" = "upstream_error",
  ) {
    super(code, message, {
      retryable: true,
      ...(park.delayMs === null ? {} : { retryAfterMs: park.delayMs }),
    });
    this.park = park;
  }
}
