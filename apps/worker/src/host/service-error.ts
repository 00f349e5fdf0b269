import { RetryAfterError, TerminalError, type HttpResponse } from "@tl-engine/engine-kit";

/** Statuses by which a service says that it did not act: another attempt may succeed. */
const passing: ReadonlySet<number> = new Set([408, 425, 429]);
/** Characters of what a service says of an error. */
const maxDetail = 2_000;

/** An error that retries, with or without a time that was asked for. */
class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code = "upstream_error";
  readonly retryable = true;
  readonly details: { status: number };
  constructor(message: string, status: number) {
    super(message);
    this.details = { status };
  }
}

/**
 * What a call to a service ended with, as the execution's error: a status in the service's own words (RFC 9457's `detail`,
 * and `retryable` where it says so), retried as statuses tell: 408, 425, 429 and 5xx may pass, the others will not.
 * Whatever else the door throws (no connection, refused, parked) stays as it is.
 */
export function serviceError(error: unknown, maxOutputBytes: number): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === "ResponseTooLargeError") {
    return new TerminalError(
      `The service's answer is larger than ${maxOutputBytes} bytes; let it store its output elsewhere and return the address`,
      { code: "output_too_large", details: { limit_bytes: maxOutputBytes }, cause: error },
    );
  }
  const { response, retryAfterMs } = error as Error & {
    response?: HttpResponse;
    retryAfterMs?: number;
  };
  if (response === undefined || "park" in error) return error;
  const { status } = response;
  const said = wordsOf(response);
  const retryable = said.retryable ?? (passing.has(status) || status >= 500);
  const message = `The service answered ${status}${said.detail === null ? "" : `: ${said.detail}`}`;
  const details = { status };
  if (!retryable) {
    const isOther = status < 400;
    return new TerminalError(isOther ? `${message}; give 200 with the output, or 202` : message, {
      code: isOther ? "output_invalid" : "upstream_error",
      details,
    });
  }
  return retryAfterMs === undefined
    ? new ServiceError(message, status)
    : new RetryAfterError(message, retryAfterMs, { code: "upstream_error", details });
}

/** What a problem body says; nothing where it is none. */
function wordsOf(response: HttpResponse): { detail: string | null; retryable: boolean | null } {
  const type = response.headers["content-type"] ?? "";
  const nothing = { detail: null, retryable: null };
  if (!/^application\/(problem\+)?json\b/i.test(type)) return nothing;
  let body: unknown;
  try {
    body = response.json();
  } catch {
    return nothing;
  }
  if (typeof body !== "object" || body === null) return nothing;
  const { detail, retryable } = body as { detail?: unknown; retryable?: unknown };
  return {
    detail: typeof detail === "string" && detail !== "" ? detail.slice(0, maxDetail) : null,
    retryable: typeof retryable === "boolean" ? retryable : null,
  };
}
