import { TextDecoder } from "node:util";

import { UpstreamError } from "./errors.ts";
import { type HttpResponse } from "./http-client.ts";

type ResponseFacts = Omit<HttpResponse, "text" | "json">;

/** An answer with its body as text or JSON on demand, and as bytes of its own. */
export function createHttpResponse(facts: ResponseFacts): HttpResponse {
  const { status, headers, url, redirects, durationMs, bytes: body } = facts;
  let own: Uint8Array | null = null;
  const text = () => decoderFor(headers["content-type"]).decode(body);
  return {
    status,
    headers,
    url,
    redirects,
    durationMs,
    get bytes() {
      // Not a part of the buffer of the whole answer, and only for those who ask: most want text or JSON.
      own ??= body.length === body.buffer.byteLength ? body : new Uint8Array(body);
      return own;
    },
    text,
    json() {
      try {
        return JSON.parse(text()) as unknown;
      } catch (cause) {
        // The parser's message would quote the body.
        const message = `${new URL(url).host} answered ${status} with a body that is not JSON`;
        throw new UpstreamError(message, {
          retryable: false,
          cause: cause instanceof SyntaxError ? undefined : cause,
        });
      }
    },
  };
}

/** Keeps nothing from one body to the next, and drops a byte order mark. */
const UTF8 = new TextDecoder();

/** The decoder for a Content-Type's charset; UTF-8 where there is none, or one that nobody knows. */
function decoderFor(contentType: string | undefined): TextDecoder {
  if (contentType === undefined || !contentType.includes(";")) return UTF8;
  const charset = /;\s*charset\s*=\s*"?([^\s;"]{1,40})/i.exec(contentType ?? "")?.[1];
  try {
    return charset === undefined ? UTF8 : new TextDecoder(charset);
  } catch {
    return UTF8;
  }
}
