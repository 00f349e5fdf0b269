import { createHash } from "node:crypto";

import { ACCEPT_ENCODING } from "./content-coding.ts";
import { OutboundRefusedError } from "./errors.ts";
import { type OutboundRequest } from "./exchange.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { type CallScope } from "./scope.ts";
import { checkHeaders, checkMethod } from "./request-headers.ts";
import { isSafe } from "./retry-safety.ts";

/** W3C Trace Context, version 00 and those to come. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The request as it will be written, but for its path: what the caller gave, checked, and what every
 * call carries. A header that the caller set is never replaced.
 *
 * @throws OutboundRefusedError for a method, header or body that is not allowed; TypeError when `json`
 *   is nothing that JSON can say, or comes together with `body`.
 */
export function prepareRequest(
  options: HttpRequestOptions,
  scope: CallScope,
  step: string,
): Omit<OutboundRequest, "path"> {
  const method = checkMethod(options.method ?? "GET");
  const { body, contentType } = bodyOf(options);
  if (body !== null && (method === "GET" || method === "HEAD")) {
    throw new OutboundRefusedError(`a ${method} request with a body is not allowed`);
  }
  const key = isSafe(method) ? undefined : idempotencyKey(scope.executionId, step);
  const traceparent = scope.traceparent ?? "";
  const headers = {
    accept: "*/*",
    "accept-encoding": ACCEPT_ENCODING,
    "user-agent": "tl-engine",
    ...given("content-type", contentType),
    ...checkHeaders(given("idempotency-key", key)),
    ...given("traceparent", TRACEPARENT.test(traceparent) ? traceparent : undefined),
    ...checkHeaders(options.headers ?? {}),
    ...checkHeaders(given("idempotency-key", options.idempotencyKey)),
  };
  return { method, headers, body };
}

/** The key that an engine's context gives for the same step: readable where it fits a header. */
function idempotencyKey(executionId: string, step: string): string {
  const readable = /^[A-Za-z0-9._:-]{1,48}$/.test(step);
  const name = readable ? step : createHash("sha256").update(step).digest("hex").slice(0, 40);
  return `${executionId}/${name}`;
}

function bodyOf(options: HttpRequestOptions): {
  body: string | Uint8Array | null;
  contentType?: string;
} {
  const { json, body } = options;
  if (json !== undefined && body !== undefined)
    throw new TypeError("json and body exclude each other");
  if (json !== undefined) {
    const text = JSON.stringify(json) as string | undefined;
    if (text === undefined) throw new TypeError("json: not a value that JSON can say");
    return { body: text, contentType: "application/json" };
  }
  if (body === undefined) return { body: null };
  return typeof body === "string"
    ? { body, contentType: "text/plain; charset=utf-8" }
    : { body, contentType: "application/octet-stream" };
}

function given(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value };
}
