import { ACCEPT_ENCODING } from "./content-coding.ts";
import { OutboundRefusedError } from "./errors.ts";
import { type OutboundRequest } from "./exchange.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { idempotencyKeyOf } from "./idempotency-key.ts";
import { type CallScope } from "./scope.ts";
import { checkHeaders, checkMethod } from "./request-headers.ts";
import { isSafe } from "./retry-safety.ts";

/** W3C Trace Context, version 00 and those to come. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The request as it will be written, but for its path: what the caller gave, checked, and what every
 * call carries. A header that the caller set is only replaced by one that the connection sets for all calls.
 *
 * @param connectionHeaders of the connection, checked; null: a plain address
 * @throws OutboundRefusedError for a method, header or body that is not allowed; TypeError when `json`
 *   is nothing that JSON can say, or comes together with `body`.
 */
export function prepareRequest(
  options: HttpRequestOptions,
  scope: CallScope,
  step: string,
  connectionHeaders: Readonly<Record<string, string>> | null = null,
): Omit<OutboundRequest, "path"> {
  const method = checkMethod(options.method ?? "GET");
  const { json } = options;
  if (json !== undefined && options.body !== undefined) {
    throw new TypeError("json and body exclude each other");
  }
  const body = json === undefined ? (options.body ?? null) : jsonText(json);
  if (body !== null && (method === "GET" || method === "HEAD")) {
    throw new OutboundRefusedError(`a ${method} request with a body is not allowed`);
  }
  const headers: Record<string, string> = {
    accept: "*/*",
    "accept-encoding": ACCEPT_ENCODING,
    "user-agent": "tl-engine",
  };
  if (body !== null) headers["content-type"] = contentTypeOf(json, body);
  if (!isSafe(method)) headers["idempotency-key"] = idempotencyKeyOf(scope.executionId, step);
  const { traceparent } = scope;
  if (traceparent !== undefined && TRACEPARENT.test(traceparent)) {
    headers["traceparent"] = traceparent;
  }
  if (options.headers) Object.assign(headers, checkHeaders(options.headers));
  const key = options.idempotencyKey;
  if (key !== undefined) Object.assign(headers, checkHeaders({ "idempotency-key": key }));
  if (connectionHeaders !== null) Object.assign(headers, connectionHeaders);
  return { method, headers, body };
}

function jsonText(json: unknown): string {
  const text = JSON.stringify(json) as string | undefined;
  if (text === undefined) throw new TypeError("json: not a value that JSON can say");
  return text;
}

function contentTypeOf(json: unknown, body: string | Uint8Array): string {
  if (json !== undefined) return "application/json";
  return typeof body === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
}
