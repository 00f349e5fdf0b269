import { callTimeoutMs } from "./call-timeout.ts";
import { type ConnectGuard } from "./connect-guard.ts";
import { MAX_IDLE_MS, type Connection, type ConnectionPool } from "./connection-pool.ts";
import { codingsOf, ContentCodingError, decodeBody } from "./content-coding.ts";
import {
  ConnectionFailedError,
  OutboundError,
  OutboundRefusedError,
  ResponseTooLargeError,
  TimeoutError,
  UpstreamError,
} from "./errors.ts";
import { exchange, type Answer, type BodyPlan } from "./exchange.ts";
import {
  type AcceptStatus,
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
  type HttpScope,
} from "./http-client.ts";
import { createHttpResponse } from "./http-response.ts";
import { openSocket } from "./open-socket.ts";
import { type OutboundCall } from "./ports.ts";
import { prepareRequest } from "./prepare-request.ts";
import { followRedirect, isRedirect, MAX_REDIRECTS, type Hop } from "./redirect.ts";
import { BodyTooLarge } from "./response-bytes.ts";
import { retryAfterMs } from "./retry-after.ts";
import { isIdempotent, isRetryableStatus } from "./retry-safety.ts";
import { readTarget } from "./target.ts";

/** What the clients of one process share. */
export interface HttpDeps {
  readonly guard: ConnectGuard;
  readonly pool: ConnectionPool;
  /** For TCP and TLS together, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly certificateAuthorities?: readonly string[] | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_RESPONSE_BYTES = 5 * 1024 * 1024;
/** What a coding may add to a body that is as large as the cap allows. */
const CODING_OVERHEAD_BYTES = 4096;
/**
 * A request that must not be sent twice takes no connection that was idle for longer: the other side
 * may be closing it, and then nobody could say whether the request arrived.
 */
const FRESH_IDLE_MS = 1000;

/** An HTTP client for one attempt of one execution. */
export function createHttpClient(deps: HttpDeps, scope: HttpScope): HttpClient {
  let calls = 0;
  return {
    async request(url, options = {}) {
      calls++;
      return new HttpCall(deps, scope, options, options.step ?? String(calls)).run(url);
    },
  };
}

/** One call: a request and the redirects that follow from it. */
class HttpCall {
  readonly #deps: HttpDeps;
  readonly #scope: HttpScope;
  readonly #options: HttpRequestOptions;
  readonly #step: string;
  readonly #cap: number;
  readonly #timeoutMs: number;
  /** Aborts for the scope's reasons and when the call's own time is over. */
  readonly #ended = new AbortController();
  /** Whether something was sent that must not be sent again. From then on no error is retryable. */
  #acted = false;

  constructor(deps: HttpDeps, scope: HttpScope, options: HttpRequestOptions, step: string) {
    this.#deps = deps;
    this.#scope = scope;
    this.#options = options;
    this.#step = step;
    this.#cap = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES;
    this.#timeoutMs = callTimeoutMs(options.timeout ?? DEFAULT_TIMEOUT_MS);
  }

  async run(url: string): Promise<HttpResponse> {
    const { signal } = this.#scope;
    signal.throwIfAborted();
    const onAbort = () => this.#ended.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => this.#ended.abort(new CallTimeUp()), this.#timeoutMs);
    try {
      return await this.#follow(url);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #follow(url: string): Promise<HttpResponse> {
    const startedAt = performance.now();
    let hop = this.#recordingRefusal(() => this.#firstHop(url));
    for (let redirects = 0; ; redirects++) {
      const actedBefore = this.#acted;
      const answer = await this.#recordedHop(hop);
      const { status, headers } = answer;
      if (this.#follows(status, headers)) {
        if (redirects === MAX_REDIRECTS) {
          throw new UpstreamError(`${describe(hop)}: more than ${MAX_REDIRECTS} redirects`, {
            retryable: false,
          });
        }
        const from = hop;
        hop = this.#recordingRefusal(() => followRedirect(from, status, headers.location));
        continue;
      }
      const response = createHttpResponse({
        status,
        headers,
        url: hop.target.url.href,
        redirects,
        durationMs: Math.round(performance.now() - startedAt),
        bytes: answer.body,
      });
      if (!this.#accepts(status)) {
        throw this.#statusError(hop, status, headers, actedBefore, response);
      }
      return response;
    }
  }

  #firstHop(url: string): Hop {
    const target = readTarget(url);
    const path = target.url.pathname + target.url.search;
    return { target, request: { ...prepareRequest(this.#options, this.#scope, this.#step), path } };
  }

  /** One request with its row in the log. */
  async #recordedHop(hop: Hop): Promise<Answer> {
    const tally = { sent: 0, received: 0, status: null as number | null };
    const startedAt = new Date();
    const start = performance.now();
    let errorCode: string | null = null;
    try {
      return await this.#hop(hop, tally);
    } catch (error) {
      errorCode = error instanceof OutboundError ? error.code : "aborted";
      throw error;
    } finally {
      this.#record({
        method: hop.request.method,
        host: hop.target.url.host,
        path: hop.target.url.pathname.slice(0, 2048),
        status: tally.status,
        error_code: errorCode,
        started_at: startedAt.toISOString(),
        duration_ms: Math.round(performance.now() - start),
        bytes_sent: tally.sent,
        bytes_received: tally.received,
        idempotency_key: hop.request.headers["idempotency-key"] ?? null,
      });
    }
  }

  async #hop(hop: Hop, tally: Tally): Promise<Answer> {
    const repeatable = this.#options.idempotent ?? isIdempotent(hop.request.method);
    const actedBefore = this.#acted;
    try {
      this.#deps.guard.check(hop.target);
      const answer = await this.#send(hop, tally, repeatable);
      return { ...answer, body: await this.#decoded(answer) };
    } catch (error) {
      const status = tally.status;
      // An error status is worth more than what was wrong with its body.
      if (status !== null && isBodyError(error) && !this.#accepts(status)) {
        throw this.#statusError(hop, status, {}, actedBefore);
      }
      throw this.#translated(hop, error);
    }
  }

  /** Sends over a kept or a new connection; a kept one that turns out to be closed is replaced. */
  async #send(hop: Hop, tally: Tally, repeatable: boolean): Promise<Answer> {
    const { pool } = this.#deps;
    const signal = this.#ended.signal;
    for (;;) {
      const connection =
        pool.take(hop.target, repeatable ? MAX_IDLE_MS : FRESH_IDLE_MS) ??
        (await this.#connect(hop));
      const { socket } = connection;
      const [readBefore, writtenBefore] = [socket.bytesRead, socket.bytesWritten];
      let sending = false;
      let answer: Answer | null = null;
      try {
        answer = await exchange({
          connection,
          request: hop.request,
          signal,
          planBody: (status, headers) => {
            tally.status = status;
            return this.#plan(hop, status, headers);
          },
          onSending: () => {
            sending = true;
            if (!repeatable) this.#acted = true;
          },
        });
        return answer;
      } catch (error) {
        if (!sending && connection.reused && !signal.aborted && !isInvalidArgument(error)) continue;
        throw error;
      } finally {
        tally.received += socket.bytesRead - readBefore;
        tally.sent += socket.bytesWritten - writtenBefore;
        if (answer?.reusable) pool.release(connection);
        else pool.discard(connection);
      }
    }
  }

  async #connect({ target }: Hop): Promise<Connection> {
    const { guard, pool, connectTimeoutMs, certificateAuthorities } = this.#deps;
    const signal = this.#ended.signal;
    const addresses = await guard.addressesFor(target, signal);
    const timeoutMs = connectTimeoutMs;
    const socket = await openSocket({
      target,
      addresses,
      timeoutMs,
      signal,
      certificateAuthorities,
    });
    return pool.adopt(target, socket);
  }

  #plan(hop: Hop, status: number, headers: Readonly<Record<string, string>>): BodyPlan {
    if (this.#follows(status, headers)) return { read: "skip" };
    const coded = codingsOf(headers["content-encoding"]).length > 0;
    const cap = this.#cap + (coded ? CODING_OVERHEAD_BYTES : 0);
    const hasBody = hop.request.method !== "HEAD" && status !== 204 && status !== 304;
    if (hasBody && Number(headers["content-length"]) > cap) {
      throw new BodyTooLarge("the body is announced as too large");
    }
    return { read: "collect", cap };
  }

  async #decoded(answer: Answer): Promise<Uint8Array> {
    if (this.#follows(answer.status, answer.headers)) return answer.body;
    return decodeBody(answer.body, codingsOf(answer.headers["content-encoding"]), this.#cap);
  }

  #follows(status: number, headers: Readonly<Record<string, string>>): headers is Redirecting {
    return this.#options.redirect !== "none" && isRedirect(status, headers);
  }

  #accepts(status: number): boolean {
    return isAccepted(status, this.#options.acceptStatus);
  }

  #statusError(
    hop: Hop,
    status: number,
    headers: Readonly<Record<string, string>>,
    actedBefore: boolean,
    response?: HttpResponse,
  ): UpstreamError {
    const repeatable = this.#options.idempotent ?? isIdempotent(hop.request.method);
    return new UpstreamError(`${describe(hop)} answered ${status}`, {
      retryable: !actedBefore && isRetryableStatus(status, repeatable),
      retryAfterMs: retryAfterMs(headers),
      ...(response ? { response } : {}),
    });
  }

  /** The error in this package's words; whether it is retryable depends on what was sent before. */
  #translated(hop: Hop, error: unknown): unknown {
    const retryable = !this.#acted;
    const { aborted } = this.#ended.signal;
    const reason: unknown = this.#ended.signal.reason;
    if (aborted && reason instanceof CallTimeUp) {
      const message = `${describe(hop)}: no whole answer within ${this.#timeoutMs} ms`;
      return new TimeoutError(message, { retryable });
    }
    if (aborted) return reason;
    if (error instanceof ConnectionFailedError) {
      if (!error.retryable || retryable) return error;
      return new ConnectionFailedError(error.message, { retryable, cause: error.cause });
    }
    if (error instanceof OutboundError) return error;
    if (error instanceof BodyTooLarge) {
      return new ResponseTooLargeError(
        `${describe(hop)}: the body is larger than ${this.#cap} bytes and was cut`,
      );
    }
    if (error instanceof ContentCodingError) {
      const message = `${describe(hop)}: ${error.message}`;
      return new UpstreamError(message, { retryable: false, cause: error });
    }
    return fromUndici(hop, error, retryable);
  }

  /** A hop that is refused before it is one gets its row too, with what is known of it. */
  #recordingRefusal(makeHop: () => Hop): Hop {
    const startedAt = new Date().toISOString();
    try {
      return makeHop();
    } catch (error) {
      if (error instanceof OutboundRefusedError) {
        this.#record({
          method: /^[A-Za-z]{1,32}$/.exec(this.#options.method ?? "GET")?.[0].toUpperCase() ?? "",
          host: "",
          path: "",
          status: null,
          error_code: error.code,
          started_at: startedAt,
          duration_ms: 0,
          bytes_sent: 0,
          bytes_received: 0,
          idempotency_key: null,
        });
      }
      throw error;
    }
  }

  #record(call: RecordedFacts): void {
    const { executionId, attempt, dispatch, callLog } = this.#scope;
    try {
      callLog.record({
        execution_id: executionId,
        attempt,
        dispatch,
        step: this.#step,
        connection: null,
        protocol: "http",
        try: 1,
        ...call,
      });
    } catch {
      // A log that fails must not fail the call: it has been made.
    }
  }
}

type Redirecting = Readonly<Record<string, string>> & { readonly location: string };

type RecordedFacts = Omit<
  OutboundCall,
  "execution_id" | "attempt" | "dispatch" | "step" | "connection" | "protocol" | "try"
>;

interface Tally {
  sent: number;
  received: number;
  status: number | null;
}

/** Why a call's own signal aborts when its time is over. */
class CallTimeUp extends Error {
  override name = "CallTimeUp";
}

function isAccepted(status: number, accept: AcceptStatus | undefined): boolean {
  if (accept === undefined) return status < 400;
  if (accept === "any") return true;
  if (typeof accept === "function") return accept(status);
  return accept.some((item) => item === status || item === `${Math.floor(status / 100)}xx`);
}

/** Method, host and path: never the query. */
function describe({ target, request }: Hop): string {
  return `${request.method} ${target.url.protocol}//${target.url.host}${target.url.pathname.slice(0, 256)}`;
}

function isBodyError(error: unknown): boolean {
  return error instanceof BodyTooLarge || error instanceof ContentCodingError;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

function isInvalidArgument(error: unknown): boolean {
  return codeOf(error) === "UND_ERR_INVALID_ARG";
}

function fromUndici(hop: Hop, error: unknown, retryable: boolean): OutboundError {
  const code = codeOf(error);
  if (code === "UND_ERR_HEADERS_OVERFLOW") {
    return new ResponseTooLargeError(`${describe(hop)}: the headers are too large`);
  }
  if (isInvalidArgument(error))
    return new OutboundRefusedError(`${describe(hop)} cannot be written`);
  if (code.startsWith("HPE_")) {
    const message = `${describe(hop)}: the answer is no valid HTTP (${code})`;
    return new UpstreamError(message, { retryable, cause: error });
  }
  const message = `${describe(hop)}: the connection broke (${code})`;
  return new ConnectionFailedError(message, { retryable, cause: error });
}
