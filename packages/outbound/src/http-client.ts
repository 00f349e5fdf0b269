/** Which statuses are a success: all of them, a list of statuses and classes, or a question. */
export type AcceptStatus =
  | "any"
  | readonly (number | "1xx" | "2xx" | "3xx" | "4xx" | "5xx")[]
  | ((status: number) => boolean);

export interface HttpRequestOptions {
  /** Default GET. CONNECT and TRACE are refused. */
  readonly method?: string | undefined;
  /** Names must be tokens, values Latin-1 without control characters. Host, Content-Length and hop-by-hop headers are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as application/json. Not together with `body`. */
  readonly json?: unknown;
  readonly body?: string | Uint8Array | undefined;
  /**
   * For the whole call, with its redirects, body, retries and waits: milliseconds or `500ms`, `30s`, `5m`. Default 30 s; through
   * a connection none but what that says of each try.
   */
  readonly timeout?: number | string | undefined;
  /** Cap on the decompressed body in bytes. Default 5 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** `follow` (default): up to 3 redirects, each judged again. `none`: the 3xx is the answer. */
  readonly redirect?: "follow" | "none" | undefined;
  /** Sent as Idempotency-Key. Default for POST, PUT, PATCH and DELETE: `<execution id>/<step>`. */
  readonly idempotencyKey?: string | undefined;
  /** Says that the other side does nothing twice, so that a POST or PATCH may be sent again, in this attempt or a later one. */
  readonly idempotent?: boolean | undefined;
  /** Names this call within its execution, for the log and the idempotency key. Default: its number. */
  readonly step?: string | undefined;
  /** Default: every status below 400; all others throw an UpstreamError. */
  readonly acceptStatus?: AcceptStatus | undefined;
}

/** An answer, read whole. */
export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. Repeated fields are joined by ", " (RFC 9110 §5.3), Set-Cookie by a line feed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from, after redirects. */
  readonly url: string;
  /** How many redirects were followed. */
  readonly redirects: number;
  readonly durationMs: number;
  /** The body, decompressed. */
  readonly bytes: Uint8Array;
  /** The body in the charset that Content-Type names, else UTF-8; a byte order mark is dropped. */
  text(): string;
  /** Throws an UpstreamError (not retryable) when the body is not JSON. */
  json(): unknown;
}

/** The one way to call HTTP services. */
export interface HttpClient {
  /**
   * Makes one call (and up to 3 redirects). Through a connection it is tried again as that connection's policy says; to
   * a plain address it is made once. Errors carry `code`, `retryable` and `retryAfterMs`, by which the execution is
   * retried as a new attempt, or `park`, by which it waits without a slot.
   *
   * Throws OutboundRefusedError, ConnectionFailedError, TimeoutError, ResponseTooLargeError,
   * UpstreamError, ParkedError, or the reason of the scope's signal.
   */
  request(url: string, options?: HttpRequestOptions): Promise<HttpResponse>;
}
