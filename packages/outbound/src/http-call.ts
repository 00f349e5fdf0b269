import { setTimeout as pause } from "node:timers/promises";

import { CallEnd } from "./call-end.ts";
import { type CallOfTry } from "./call-of-try.ts";
import { callTimeoutMs } from "./call-timeout.ts";
import { OutboundRefusedError } from "./errors.ts";
import { type HttpRequestOptions, type HttpResponse } from "./http-client.ts";
import { HttpTry } from "./http-try.ts";
import { prepareRequest } from "./prepare-request.ts";
import { recordCall } from "./record-call.ts";
import { type Hop } from "./redirect.ts";
import { waitBeforeRetry } from "./retry-in-attempt.ts";
import { type Route } from "./route.ts";
import { type Connecting } from "./send-hop.ts";
import { type CallScope } from "./scope.ts";
import { readTarget } from "./target.ts";
import { CALL_TIME_UP, CallTimeUp, timeoutError } from "./time-up.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_RESPONSE_BYTES = 5 * 1024 * 1024;

/** One call of an engine: its tries, which differ in nothing but their time and their credentials. */
export class HttpCall implements CallOfTry {
  readonly connecting: Connecting;
  readonly scope: CallScope;
  readonly options: HttpRequestOptions;
  readonly step: string;
  readonly cap: number;
  /** By `performance.now()`. */
  readonly startedAt = performance.now();
  route: Route | null = null;
  #connectionId: string | null = null;
  #timeoutMs: number | undefined;

  constructor(connecting: Connecting, scope: CallScope, options: HttpRequestOptions, step: string) {
    this.connecting = connecting;
    this.scope = scope;
    this.options = options;
    this.step = step;
    this.cap = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES;
  }

  /**
   * The time of the whole call, in milliseconds. Without one of its own, a call through a connection has no bound but
   * those of its tries.
   *
   * @throws RangeError for a timeout that is none
   */
  get timeoutMs(): number {
    const { timeout } = this.options;
    if (timeout !== undefined) return (this.#timeoutMs ??= callTimeoutMs(timeout));
    return this.#connectionId === null ? DEFAULT_TIMEOUT_MS : Number.POSITIVE_INFINITY;
  }

  /** What is left of it. */
  get remainingMs(): number {
    return this.startedAt + this.timeoutMs - performance.now();
  }

  /** Makes the call through a connection, once `find` has it. */
  async through(
    id: string,
    find: (id: string) => Route | Promise<Route>,
    url: string,
  ): Promise<HttpResponse> {
    this.#connectionId = id;
    const found = this.#find(id, find);
    return found instanceof Promise ? this.#onceFound(id, found, url) : this.run(url, found);
  }

  #find(id: string, find: (id: string) => Route | Promise<Route>): Route | Promise<Route> {
    try {
      return find(id);
    } catch (error) {
      this.#recordRefusal(error);
      throw error;
    }
  }

  async #onceFound(id: string, found: Promise<Route>, url: string): Promise<HttpResponse> {
    const end = this.#newEnd();
    try {
      end.within(this.timeoutMs, CALL_TIME_UP);
      return await this.run(url, await end.race(found), end);
    } catch (error) {
      if (this.route === null) {
        this.#recordRefusal(error);
        if (error instanceof CallTimeUp) {
          throw timeoutError(`connection ${id}`, error, this.timeoutMs, true);
        }
      }
      throw error;
    } finally {
      end.stop();
    }
  }

  /** Makes the call: one try, and those that follow from the connection's policy. */
  async run(url: string, route: Route | null, end = this.#newEnd()): Promise<HttpResponse> {
    this.route = route;
    const first = this.#begin(url, end);
    const policy = route?.connection.retry ?? null;
    let stale: string | null = null;
    let ofTry = end;
    for (let number = 1, retries = 0; ; number++) {
      const current: HttpTry = new HttpTry(this, first, number, stale, ofTry);
      try {
        return await current.run();
      } catch (error) {
        // Once, and not one of the retries: the token was out of date, and the other side did nothing.
        if (stale === null && current.refusedToken !== null) {
          stale = current.refusedToken;
          ofTry = this.#newEnd();
          continue;
        }
        const wait = waitBeforeRetry({
          error,
          acted: current.acted,
          retries,
          policy,
          blockedBy: route === null ? null : `connection:${route.connection.id}`,
          remainingMs: this.remainingMs,
        });
        retries++;
        await this.#pause(wait);
        ofTry = this.#newEnd();
      }
    }
  }

  #newEnd(): CallEnd {
    return new CallEnd(this.scope.signal, this.connecting.pool.deadlines);
  }

  #begin(url: string, end: CallEnd): Hop {
    try {
      return this.recordingRefusal(() => this.#firstHop(url));
    } catch (error) {
      end.stop();
      throw error;
    }
  }

  /** A hop that is refused before it is one gets its row too, with what is known of it. */
  recordingRefusal(makeHop: () => Hop): Hop {
    try {
      return makeHop();
    } catch (error) {
      this.#recordRefusal(error);
      throw error;
    }
  }

  #firstHop(url: string): Hop {
    const { route, options, scope, step } = this;
    const target = route === null ? readTarget(url) : route.urls.target(url);
    const headers = route?.headers ?? null;
    const request = prepareRequest(options, scope, step, headers);
    route?.urls.allowMethod(request.method);
    const path = target.url.pathname + target.url.search;
    const hidesPath = route?.connection.log.hidePaths === true;
    return { target, own: route !== null, hidesPath, request: { ...request, path } };
  }

  #recordRefusal(error: unknown): void {
    if (!(error instanceof OutboundRefusedError)) return;
    recordCall(this.scope, this.step, {
      connection: this.#connectionId,
      method: /^[A-Za-z]{1,32}$/.exec(this.options.method ?? "GET")?.[0].toUpperCase() ?? "",
      host: "",
      path: "",
      status: null,
      error_code: error.code,
      started_at: new Date().toISOString(),
      duration_ms: 0,
      bytes_sent: 0,
      bytes_received: 0,
      idempotency_key: null,
    });
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.scope;
    try {
      await pause(ms, undefined, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }
}
