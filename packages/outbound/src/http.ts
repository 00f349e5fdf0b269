import { isAccepted } from "./accept-status.ts";
import { callError, describeHop, isBodyError } from "./call-errors.ts";
import { callTimeoutMs } from "./call-timeout.ts";
import { codingsOf, decodeBody } from "./content-coding.ts";
import { OutboundError, OutboundRefusedError, TimeoutError, UpstreamError } from "./errors.ts";
import { type Answer, type BodyPlan } from "./exchange.ts";
import { type HttpClient, type HttpRequestOptions, type HttpResponse } from "./http-client.ts";
import { createHttpResponse } from "./http-response.ts";
import { prepareRequest } from "./prepare-request.ts";
import { recordCall } from "./record-call.ts";
import {
  followRedirect,
  isRedirect,
  MAX_REDIRECTS,
  type Hop,
  type Redirecting,
} from "./redirect.ts";
import { BodyTooLarge } from "./response-bytes.ts";
import { retryAfterMs } from "./retry-after.ts";
import { isIdempotent, isRetryableStatus } from "./retry-safety.ts";
import { sendHop, type Connecting, type Traffic } from "./send-hop.ts";
import { type CallScope } from "./scope.ts";
import { readTarget } from "./target.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_RESPONSE_BYTES = 5 * 1024 * 1024;
/** What a coding may add to a body that is as large as the cap allows. */
const CODING_OVERHEAD_BYTES = 4096;

/** An HTTP client for one attempt of one execution. */
export function createHttpClient(connecting: Connecting, scope: CallScope): HttpClient {
  let calls = 0;
  return {
    async request(url, options = {}) {
      calls++;
      return new HttpCall(connecting, scope, options, options.step ?? String(calls)).run(url);
    },
  };
}

/** One call: a request and the redirects that follow from it. */
class HttpCall {
  readonly #connecting: Connecting;
  readonly #scope: CallScope;
  readonly #options: HttpRequestOptions;
  readonly #step: string;
  readonly #cap: number;
  readonly #timeoutMs: number;
  /** Aborts for the scope's reasons and when the call's own time is over. */
  readonly #ended = new AbortController();
  /** Whether something was sent that must not be sent again. From then on no error is retryable. */
  #acted = false;

  constructor(connecting: Connecting, scope: CallScope, options: HttpRequestOptions, step: string) {
    this.#connecting = connecting;
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
    const start = performance.now();
    let hop = this.#recordingRefusal(() => this.#firstHop(url));
    for (let redirects = 0; ; redirects++) {
      const actedBefore = this.#acted;
      const answer = await this.#recordedHop(hop);
      const { status, headers } = answer;
      if (this.#follows(status, headers)) {
        if (redirects === MAX_REDIRECTS) {
          const message = `${describeHop(hop)}: more than ${MAX_REDIRECTS} redirects`;
          throw new UpstreamError(message, { retryable: false });
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
        durationMs: Math.round(performance.now() - start),
        bytes: answer.body,
      });
      if (this.#accepts(status)) return response;
      throw this.#statusError(hop, status, headers, actedBefore, response);
    }
  }

  #firstHop(url: string): Hop {
    const target = readTarget(url);
    const path = target.url.pathname + target.url.search;
    return { target, request: { ...prepareRequest(this.#options, this.#scope, this.#step), path } };
  }

  /** One request with its row in the log. */
  async #recordedHop(hop: Hop): Promise<Answer> {
    const tally: Tally = { sent: 0, received: 0, status: null, headers: {} };
    const startedAt = new Date();
    const start = performance.now();
    let errorCode: string | null = null;
    try {
      return await this.#hop(hop, tally);
    } catch (error) {
      errorCode = error instanceof OutboundError ? error.code : "aborted";
      throw error;
    } finally {
      recordCall(this.#scope, this.#step, {
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
    const repeatable = this.#isRepeatable(hop);
    const actedBefore = this.#acted;
    try {
      this.#connecting.guard.check(hop.target);
      const answer = await sendHop(this.#connecting, {
        hop,
        repeatable,
        traffic: tally,
        signal: this.#ended.signal,
        planBody: (status, headers) => {
          tally.status = status;
          tally.headers = headers;
          return this.#planBody(hop, status, headers);
        },
        onSending: () => {
          if (!repeatable) this.#acted = true;
        },
      });
      return { ...answer, body: await this.#decoded(answer) };
    } catch (error) {
      const { status, headers } = tally;
      // An error status says more than what was wrong with its body.
      if (status !== null && isBodyError(error) && !this.#accepts(status)) {
        throw this.#statusError(hop, status, headers, actedBefore);
      }
      throw this.#endOrError(hop, error);
    }
  }

  #planBody(hop: Hop, status: number, headers: Readonly<Record<string, string>>): BodyPlan {
    if (this.#follows(status, headers)) return { read: "skip" };
    const coded = codingsOf(headers["content-encoding"]).length > 0;
    const cap = this.#cap + (coded ? CODING_OVERHEAD_BYTES : 0);
    const hasBody = hop.request.method !== "HEAD" && status !== 204 && status !== 304;
    if (hasBody && Number(headers["content-length"]) > cap) throw new BodyTooLarge(this.#cap);
    return { read: "collect", cap };
  }

  async #decoded({ status, headers, body }: Answer): Promise<Uint8Array> {
    if (this.#follows(status, headers)) return body;
    return decodeBody(body, codingsOf(headers["content-encoding"]), this.#cap);
  }

  #follows(status: number, headers: Readonly<Record<string, string>>): headers is Redirecting {
    return this.#options.redirect !== "none" && isRedirect(status, headers);
  }

  #accepts(status: number): boolean {
    return isAccepted(status, this.#options.acceptStatus);
  }

  #isRepeatable(hop: Hop): boolean {
    return this.#options.idempotent ?? isIdempotent(hop.request.method);
  }

  #statusError(
    hop: Hop,
    status: number,
    headers: Readonly<Record<string, string>>,
    actedBefore: boolean,
    response?: HttpResponse,
  ): UpstreamError {
    return new UpstreamError(`${describeHop(hop)} answered ${status}`, {
      status,
      response,
      retryable: !actedBefore && isRetryableStatus(status, this.#isRepeatable(hop)),
      retryAfterMs: retryAfterMs(headers),
    });
  }

  /** Why a hop ended: the call's end, when that is over, else the error in this package's words. */
  #endOrError(hop: Hop, error: unknown): unknown {
    const retryable = !this.#acted;
    if (!this.#ended.signal.aborted) return callError(hop, error, retryable);
    const reason: unknown = this.#ended.signal.reason;
    if (!(reason instanceof CallTimeUp)) return reason;
    const message = `${describeHop(hop)}: no whole answer within ${this.#timeoutMs} ms`;
    return new TimeoutError(message, { retryable });
  }

  /** A hop that is refused before it is one gets its row too, with what is known of it. */
  #recordingRefusal(makeHop: () => Hop): Hop {
    const startedAt = new Date().toISOString();
    try {
      return makeHop();
    } catch (error) {
      if (error instanceof OutboundRefusedError) {
        recordCall(this.#scope, this.#step, {
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
}

/** What is known of a hop, also when it ends in an error. */
interface Tally extends Traffic {
  status: number | null;
  headers: Readonly<Record<string, string>>;
}

/** Why a call's own signal aborts when its time is over. */
class CallTimeUp extends Error {
  override name = "CallTimeUp";
}
