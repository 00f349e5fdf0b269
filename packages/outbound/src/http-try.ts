import { authorize, authorizeNow, type AuthorizedRequest } from "./auth/authorize.ts";
import { isAccepted } from "./accept-status.ts";
import { type CallEnd } from "./call-end.ts";
import { callError, describeHop, isBodyError } from "./call-errors.ts";
import { codingsOf, decodeBody } from "./content-coding.ts";
import { ConnectionFailedError, OutboundError, TimeoutError, UpstreamError } from "./errors.ts";
import { failedProbe } from "./failed-probe.ts";
import {
  type Answer,
  type BodyPlan,
  type ExchangeWatcher,
  type OutboundRequest,
} from "./exchange.ts";
import { type CallOfTry } from "./call-of-try.ts";
import { type HttpResponse } from "./http-client.ts";
import { createHttpResponse } from "./http-response.ts";
import { type Admitted, type OutboundCall } from "./ports.ts";
import { newHopRecord, recordHop } from "./record-hop.ts";
import {
  followRedirect,
  isRedirect,
  MAX_REDIRECTS,
  withoutRepeated,
  type Hop,
  type Redirecting,
} from "./redirect.ts";
import { BodyTooLarge } from "./response-bytes.ts";
import { retryAfterMs } from "./retry-after.ts";
import { isIdempotent, isRetryableStatus } from "./retry-safety.ts";
import { type Route } from "./route.ts";
import { sendHop } from "./send-hop.ts";
import { shownPath } from "./shown-path.ts";
import {
  CALL_TIME_UP,
  CallTimeUp,
  FIRST_BYTE_TIME_UP,
  timeoutError,
  TRY_TIME_UP,
} from "./time-up.ts";

/** What a coding may add to a body that is as large as the cap allows. */
const CODING_OVERHEAD_BYTES = 4096;

type Headers = Readonly<Record<string, string>>;

/** One try of a call: a request and the redirects that follow from it. */
export class HttpTry implements ExchangeWatcher {
  /** Whether something was sent that must not be sent again. From then on no error is retryable. */
  acted = false;
  /** The access token that the other side refused with 401, when it is worth a new one. */
  refusedToken: string | null = null;

  readonly #call: CallOfTry;
  readonly #number: number;
  readonly #stale: string | null;
  readonly #end: CallEnd;
  /** When the try's own time is over, by `performance.now()`. */
  #deadline = Number.POSITIVE_INFINITY;
  #waitsForFirstByte = false;
  #breakerState: OutboundCall["breaker_state"] = null;
  /** What the connection's own origin answered last. */
  #ownStatus: number | null = null;
  /** Whether it was the connection that failed, rather than who gives its tokens. */
  #authorizing = false;

  // Of the hop under way:
  #hop: Hop;
  #record = newHopRecord();
  #authorized: AuthorizedRequest | null = null;
  #repeatable = false;
  #sendingAt = 0;

  /**
   * @param stale the access token that was refused in the try before
   * @param end of this try; it is stopped with it
   */
  constructor(call: CallOfTry, first: Hop, number: number, stale: string | null, end: CallEnd) {
    this.#call = call;
    this.#hop = first;
    this.#number = number;
    this.#stale = stale;
    this.#end = end;
  }

  async run(): Promise<HttpResponse> {
    const { route, remainingMs } = this.#call;
    try {
      this.#end.within(remainingMs, CALL_TIME_UP);
      return route === null ? await this.#follow() : await this.#letThrough(route);
    } finally {
      this.#end.stop();
    }
  }

  onSending(): void {
    this.#record.sending = true;
    if (!this.#repeatable) this.acted = true;
    this.#sendingAt = performance.now();
    const { route } = this.#call;
    if (route === null) return;
    const { firstByteMs } = route.connection.timeouts;
    this.#waitsForFirstByte = firstByteMs < this.#leftMs();
    if (this.#waitsForFirstByte) this.#end.within(firstByteMs, FIRST_BYTE_TIME_UP);
  }

  planBody(status: number, headers: Headers): BodyPlan {
    const record = this.#record;
    record.status = status;
    record.headers = headers;
    record.firstByteMs = performance.now() - this.#sendingAt;
    if (this.#hop.own) this.#ownStatus = status;
    if (this.#waitsForFirstByte) this.#startTime();
    if (this.#follows(status, headers)) return { read: "skip" };
    const limit = this.#call.cap;
    const coded = codingsOf(headers["content-encoding"]).length > 0;
    const cap = limit + (coded ? CODING_OVERHEAD_BYTES : 0);
    const hasBody = this.#hop.request.method !== "HEAD" && status !== 204 && status !== 304;
    if (hasBody && Number(headers["content-length"]) > cap) throw new BodyTooLarge(limit);
    return { read: "collect", cap };
  }

  /** One try through a connection: asked for a place, and left exactly once. */
  async #letThrough({ connection }: Route): Promise<HttpResponse> {
    const admitted = await this.#enter();
    this.#breakerState = admitted.breakerState;
    this.#deadline = performance.now() + connection.timeouts.totalMs;
    this.#startTime();
    let outcome: Parameters<Admitted["leave"]>[0] = "ignored";
    try {
      const response = await this.#follow();
      outcome = this.#outcome(null);
      return response;
    } catch (error) {
      outcome = this.#outcome(error);
      throw failedProbe(error, admitted, outcome, connection);
    } finally {
      admitted.leave(outcome);
    }
  }

  async #enter(): Promise<Admitted> {
    const { scope, route } = this.#call;
    if (route === null) throw new Error("a plain address needs no place");
    let asked: Admitted | Promise<Admitted> | null = null;
    // A call without a time of its own ends its wait with its execution, and needs no signal of its own.
    const ownTime = this.#call.timeoutMs !== Number.POSITIVE_INFINITY;
    try {
      asked = scope.admission.enter(route.connection, ownTime ? this.#end.signal : scope.signal);
      return asked instanceof Promise ? await this.#end.race(asked) : asked;
    } catch (thrown) {
      // A place that comes too late is given back at once.
      if (this.#end.over && asked instanceof Promise) {
        asked.then(
          (admitted) => admitted.leave("ignored"),
          () => {},
        );
      }
      const error = this.#endOrError(thrown);
      this.#note(error, null);
      throw error;
    }
  }

  /** What the try says of the connection's other side. */
  #outcome(error: unknown): Parameters<Admitted["leave"]>[0] {
    // Aborted, or a mistake in an engine; or another system's fault.
    if (error !== null && !(error instanceof OutboundError)) return "ignored";
    if (this.#authorizing) return "ignored";
    if (this.#hop.own) {
      // How long is too long, the connection says: whoever asks for less must not open its circuit for all.
      if (error instanceof TimeoutError) {
        return this.#end.reason === CALL_TIME_UP ? "ignored" : "failure";
      }
      if (error instanceof ConnectionFailedError) return "failure";
    }
    if (this.#ownStatus !== null) return this.#ownStatus >= 500 ? "failure" : "success";
    return error instanceof UpstreamError ? "failure" : "ignored";
  }

  async #follow(): Promise<HttpResponse> {
    const call = this.#call;
    for (let redirects = 0; ; redirects++) {
      const hop = this.#hop;
      const actedBefore = this.acted;
      const answer = await this.#sendHop(redirects === 0);
      const { status, headers } = answer;
      if (status === 401 && this.#stale === null && this.#authorized?.accessToken) {
        this.refusedToken = this.#authorized.accessToken;
        throw this.#statusError(hop, status, headers, actedBefore);
      }
      if (this.#follows(status, headers)) {
        if (redirects === MAX_REDIRECTS) {
          const message = `${describeHop(hop)}: more than ${MAX_REDIRECTS} redirects`;
          throw new UpstreamError(message, { retryable: false });
        }
        this.#hop = call.recordingRefusal(() => this.#nextHop(status, headers.location));
        continue;
      }
      const credentialQuery = this.#authorized?.credentialQuery ?? null;
      const response = createHttpResponse({
        status,
        headers: withoutRepeated(headers, hop, credentialQuery),
        url: hop.hidesPath
          ? hop.target.url.origin + shownPath(hop.target.url, true, 0)
          : hop.target.url.href,
        redirects,
        durationMs: Math.round(performance.now() - call.startedAt),
        bytes: answer.body,
      });
      if (this.#accepts(status)) return response;
      throw this.#statusError(hop, status, headers, actedBefore, response);
    }
  }

  #nextHop(status: number, location: string): Hop {
    const credentialQuery = this.#authorized?.credentialQuery ?? null;
    const next = followRedirect(this.#hop, status, location, credentialQuery);
    if (next.own) this.#call.route?.urls.allowPath(next.target);
    return next;
  }

  /** One request with its row in the log. */
  async #sendHop(first: boolean): Promise<Answer> {
    const { connecting, options, route } = this.#call;
    const hop = this.#hop;
    const repeatable = options.idempotent ?? isIdempotent(hop.request.method);
    const actedBefore = this.acted;
    this.#repeatable = repeatable;
    this.#record = newHopRecord();
    this.#authorized = null;
    try {
      connecting.guard.check(hop.target);
      if (hop.own) {
        this.#ownStatus = null;
        const asked = this.#authorize(hop);
        if (asked !== null) await asked;
      }
      let answer = await sendHop(connecting, {
        target: hop.target,
        request: this.#written(hop),
        connection: hop.own && route !== null ? route.connection : null,
        repeatable,
        traffic: this.#record,
        end: this.#end,
        watcher: this,
      });
      const { status, headers } = answer;
      const codings = codingsOf(headers["content-encoding"]);
      if (codings.length > 0 && !this.#follows(status, headers)) {
        answer = { ...answer, body: await decodeBody(answer.body, codings, this.#call.cap) };
      }
      this.#note(null, answer.body, first);
      return answer;
    } catch (thrown) {
      const error = this.#hopError(thrown, actedBefore);
      this.#note(error, null, first);
      throw error;
    }
  }

  /** With the credentials, if it has any. */
  #written(hop: Hop): OutboundRequest {
    return this.#authorized?.request ?? hop.request;
  }

  #hopError(thrown: unknown, actedBefore: boolean): unknown {
    const { status, headers } = this.#record;
    // An error status says more than what was wrong with its body.
    if (status !== null && isBodyError(thrown) && !this.#accepts(status)) {
      return this.#statusError(this.#hop, status, headers, actedBefore);
    }
    return this.#endOrError(thrown);
  }

  #note(error: unknown, body: Uint8Array | null, first = true): void {
    recordHop({
      call: this.#call,
      hop: this.#hop,
      record: this.#record,
      authorized: this.#authorized,
      breakerState: this.#breakerState,
      number: this.#number,
      error,
      body,
      first,
    });
  }

  /** Puts the connection's credentials on; what goes wrong here is not the other side's fault. */
  #authorize(hop: Hop): Promise<void> | null {
    const { route } = this.#call;
    if (route === null || route.connection.auth.type === "none") return null;
    this.#authorizing = true;
    this.#authorized = authorizeNow(hop.request, route.connection, {}, route.credentials);
    if (this.#authorized === null) return this.#authorizeByToken(hop, route);
    this.#authorizing = false;
    return null;
  }

  async #authorizeByToken(hop: Hop, { connection }: Route): Promise<void> {
    const { signal } = this.#end;
    const options = { stale: this.#stale };
    const asked = authorize(hop.request, connection, this.#call.scope, signal, options);
    this.#authorized = await this.#end.race(asked);
    this.#authorizing = false;
  }

  #follows(status: number, headers: Headers): headers is Redirecting {
    return this.#call.options.redirect !== "none" && isRedirect(status, headers);
  }

  #accepts(status: number): boolean {
    return isAccepted(status, this.#call.options.acceptStatus);
  }

  #statusError(
    hop: Hop,
    status: number,
    headers: Headers,
    actedBefore: boolean,
    response?: HttpResponse,
  ): UpstreamError {
    return new UpstreamError(`${describeHop(hop)} answered ${status}`, {
      status,
      response,
      retryable: !actedBefore && isRetryableStatus(status, this.#repeatable),
      retryAfterMs: retryAfterMs(headers),
    });
  }

  /** Why a hop ended: the try's end, when that is over, else the error in this package's words. */
  #endOrError(error: unknown): unknown {
    const retryable = !this.acted;
    if (!this.#end.over) return callError(this.#hop, error, retryable);
    const { reason } = this.#end;
    if (!(reason instanceof CallTimeUp)) return reason;
    const { route, timeoutMs } = this.#call;
    const { totalMs = timeoutMs, firstByteMs = timeoutMs } = route?.connection.timeouts ?? {};
    const ms = { call: timeoutMs, try: totalMs, "first byte": firstByteMs }[reason.what];
    return timeoutError(describeHop(this.#hop), reason, ms, retryable);
  }

  /** Starts what is left of the try's time, or of the call's where that is less. */
  #startTime(): void {
    this.#waitsForFirstByte = false;
    const ofTry = this.#deadline - performance.now();
    const ofCall = this.#call.remainingMs;
    if (ofCall < ofTry) this.#end.within(ofCall, CALL_TIME_UP);
    else this.#end.within(ofTry, TRY_TIME_UP);
  }

  #leftMs(): number {
    return Math.min(this.#deadline - performance.now(), this.#call.remainingMs);
  }
}
