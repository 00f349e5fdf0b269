import { cutOff } from "./abortable.ts";
import type { CredentialHeaders } from "./credential.ts";
import {
  ConnectionError,
  ExecutionPurgedError,
  ProblemError,
  UnexpectedAnswerError,
} from "./errors.ts";
import { retryAfterSeconds } from "./retry-after.ts";
import type { Problem } from "./wire.ts";

/** One request to the API, in the client's own words. */
export interface HttpRequest {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  /** From the base address on, each part encoded: `/api/v1/executions/…`. */
  path: string;
  /** Members without a value are left out. */
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  json?: unknown;
  /** Seconds that the server may hold the request on top of the time for one try. */
  holdSeconds?: number;
  signal?: AbortSignal | undefined;
}

/** An answer below 400. */
export interface HttpAnswer {
  status: number;
  /** The parsed JSON; undefined for 204 and 304. */
  body: unknown;
  etag: string | null;
  retryAfterSeconds: number | null;
}

/** How the API is reached. */
export interface HttpTarget {
  /** Without a slash at its end. */
  baseUrl: string;
  credential: CredentialHeaders;
  fetch: typeof globalThis.fetch;
  /** Milliseconds for one try. */
  timeoutMs: number;
}

/**
 * Sends one request, once.
 *
 * @throws ProblemError | ConnectionError | UnexpectedAnswerError, or the signal's reason
 */
export async function sendOnce(target: HttpTarget, request: HttpRequest): Promise<HttpAnswer> {
  request.signal?.throwIfAborted();
  const url = target.baseUrl + request.path;
  const timeoutMs = target.timeoutMs + (request.holdSeconds ?? 0) * 1000;
  // Made before the try: what can't be a header or JSON is the program's mistake, not the network's.
  const headers = new Headers({
    accept: "application/json, application/problem+json",
    ...request.headers,
    ...(await target.credential()),
  });
  const body = request.json === undefined ? undefined : JSON.stringify(request.json);
  if (body !== undefined) headers.set("content-type", "application/json");
  const { fetch } = target; // called on its own: a browser's fetch refuses to be somebody's method
  const limit = cutOff(request.signal, timeoutMs);
  try {
    const response = await fetch(url + queryOf(request.query), {
      method: request.method,
      headers,
      ...(body === undefined ? {} : { body }),
      // Followed by fetch, a redirect would carry X-API-Key to whatever origin it names.
      redirect: "manual",
      // The API's ETags are this client's business; a browser's cache would hide its 304.
      cache: "no-store",
      signal: limit.signal,
    });
    return readAnswer(response, await response.text(), url);
  } catch (error) {
    if (error instanceof ProblemError || error instanceof UnexpectedAnswerError) throw error;
    if (request.signal?.aborted) throw request.signal.reason;
    if (limit.timedOut()) {
      throw new ConnectionError(url, `no answer within ${timeoutMs} ms`, {
        cause: error,
        timedOut: true,
      });
    }
    throw new ConnectionError(url, networkReason(error), { cause: error });
  } finally {
    limit.release();
  }
}

function readAnswer(response: Response, text: string, url: string): HttpAnswer {
  const { status, headers } = response;
  const requestId = headers.get("x-request-id");
  const retryAfter = retryAfterSeconds(headers.get("retry-after"));
  if (response.type === "opaqueredirect" || (status >= 300 && status < 400 && status !== 304)) {
    const to = headers.get("location");
    throw new UnexpectedAnswerError(
      `${url} answered with a redirect${to ? ` to ${to}` : ""}, which is not followed: set the base address to the API itself`,
      status,
      requestId,
    );
  }
  if (status === 204 || status === 304) {
    return {
      status,
      body: undefined,
      etag: headers.get("etag"),
      retryAfterSeconds: retryAfter,
    };
  }
  const body = parse(text);
  if (status >= 400 && isProblem(body)) {
    const Refusal = body.code === "execution_purged" ? ExecutionPurgedError : ProblemError;
    throw new Refusal(body, { status, retryAfterSeconds: retryAfter, requestId });
  }
  if (status >= 400 || typeof body !== "object" || body === null) {
    throw new UnexpectedAnswerError(
      `${url} answered ${status} with something that is not tl-engine's: is the base address right?`,
      status,
      requestId,
    );
  }
  return { status, body, etag: headers.get("etag"), retryAfterSeconds: retryAfter };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isProblem(body: unknown): body is Problem {
  return (
    typeof body === "object" &&
    body !== null &&
    "code" in body &&
    typeof body.code === "string" &&
    "title" in body
  );
}

function queryOf(query: HttpRequest["query"] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.size === 0 ? "" : `?${parameters.toString()}`;
}

/** Node says "fetch failed" and hides why in the cause; browsers say nothing at all. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) {
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
    if (cause.message && code && !cause.message.includes(code)) return `${cause.message} (${code})`;
    if (cause.message || code) return cause.message || code;
  }
  return error instanceof Error && error.message ? error.message : "the connection failed";
}
