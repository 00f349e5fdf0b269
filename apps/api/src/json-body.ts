import type { Context } from "hono";
import type { ApiEnv } from "./api-env.ts";
import { scanJson } from "./json-scan.ts";
import { findBadValues, parseMarkingNumbers } from "./json-values.ts";
import { Refusal } from "./problem.ts";

/** Deepest nesting that a body may have; the body itself is 1. */
export const maxDepth = 64;

const jsonMedia = /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?$/i;
const utf8 = new TextDecoder("utf-8", { fatal: true });

function refuseMalformed(detail: string): never {
  throw new Refusal("malformed_request", detail);
}

function hasBody(c: Context<ApiEnv>): boolean {
  const { headers } = c.req.raw;
  const length = headers.get("content-length");
  if (length !== null) return length !== "0";
  if (headers.has("transfer-encoding")) return true;
  // Over a socket there is no body then (RFC 9112, 6.3); a request made in memory says neither.
  return c.env?.incoming === undefined && c.req.raw.body !== null;
}

function checkMedia(request: Request): void {
  const coding = request.headers.get("content-encoding");
  if (coding !== null && coding.toLowerCase() !== "identity") {
    throw new Refusal("unsupported_media_type", "Bodies are taken without a content coding", {
      headers: { "Accept-Encoding": "identity" },
    });
  }
  const media = request.headers.get("content-type");
  if (media === null || !jsonMedia.test(media)) {
    throw new Refusal(
      "unsupported_media_type",
      "Bodies are taken as Content-Type: application/json, in UTF-8",
      { headers: { Accept: "application/json" } },
    );
  }
}

function tooLarge(limitBytes: number): Refusal {
  return new Refusal("payload_too_large", `The body is larger than ${limitBytes} bytes`, {
    limitBytes,
  });
}

/**
 * A body of unknown length as it comes. Over a socket it is taken from there, and not destroyed when we stop: the server
 * then swallows the rest for a moment, so that the caller can read the refusal and use the connection again.
 */
function chunksOf(c: Context<ApiEnv>): AsyncIterable<Uint8Array> {
  const { incoming } = c.env ?? {};
  if (incoming !== undefined) return incoming.iterator({ destroyOnReturn: false });
  return (c.req.raw.body ?? []) as AsyncIterable<Uint8Array>;
}

/** Reads at most `limitBytes`; a body of unknown length is counted as it comes and refused at the limit. */
async function readBytes(c: Context<ApiEnv>, limitBytes: number): Promise<Uint8Array> {
  const request = c.req.raw;
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > limitBytes) throw tooLarge(limitBytes);
    return new Uint8Array(await request.arrayBuffer());
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(c)) {
    size += chunk.byteLength;
    if (size > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/**
 * Lets a body go by that nobody will read, up to a size: who is refused before it was looked at can have sent it whole by
 * then, and one that is cut gets one answer. Never throws.
 */
export async function passOverBody(c: Context<ApiEnv>, limitBytes: number): Promise<void> {
  if (!hasBody(c)) return;
  let size = 0;
  try {
    for await (const chunk of chunksOf(c)) {
      size += chunk.byteLength;
      if (size > limitBytes) return;
    }
  } catch {
    // It was cut.
  }
}

/**
 * The one reader of JSON bodies. Checks in the contract's order: media type and coding (415), size before anything
 * is parsed (413), UTF-8, nesting and syntax (400), then values that cannot be kept exactly (422, by pointer).
 * Of double members the last counts; `__proto__` is a member like any other.
 * @returns undefined where the request has no body
 * @throws Refusal
 */
export async function readJsonBody(c: Context<ApiEnv>, limitBytes: number): Promise<unknown> {
  if (!hasBody(c)) return undefined;
  checkMedia(c.req.raw);
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(c, limitBytes);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    return refuseMalformed("The body ended before it was complete");
  }
  return bytes.length === 0 ? undefined : parseJson(bytes);
}

/**
 * Parses the bytes of a JSON text under the rules of {@link readJsonBody}.
 * @throws Refusal
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return refuseMalformed("The body is not valid UTF-8");
  }
  const scan = scanJson(bytes);
  if (scan.depth > maxDepth) refuseMalformed(`The body is nested deeper than ${maxDepth}`);
  let value: unknown;
  let marked = false;
  try {
    if (scan.suspectNumber) ({ value, marked } = parseMarkingNumbers(text));
    else value = JSON.parse(text);
  } catch {
    return refuseMalformed("The body is not valid JSON");
  }
  if (marked || scan.unicodeEscape) {
    const errors = findBadValues(value);
    if (errors.length > 0) {
      throw new Refusal("invalid_input", "The body holds values that cannot be kept", { errors });
    }
  }
  return value;
}
