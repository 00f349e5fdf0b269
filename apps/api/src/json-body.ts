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

/** Reads at most `limitBytes`; a body of unknown length is counted as it comes and cut at the limit. */
async function readBytes(request: Request, limitBytes: number): Promise<Uint8Array> {
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > limitBytes) throw tooLarge(limitBytes);
    return new Uint8Array(await request.arrayBuffer());
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body === null) return new Uint8Array();
  for await (const chunk of request.body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
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
  const request = c.req.raw;
  checkMedia(request);
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(request, limitBytes);
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
