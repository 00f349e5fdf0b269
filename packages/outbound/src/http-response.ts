import { TextDecoder } from "node:util";

import { UpstreamError } from "./errors.ts";
import { type HttpResponse } from "./http-client.ts";

type ResponseFacts = Omit<HttpResponse, "text" | "json">;

/** An answer with its body as text or JSON on demand. */
export function createHttpResponse(facts: ResponseFacts): HttpResponse {
  const text = () => decoderFor(facts.headers["content-type"]).decode(facts.bytes);
  return {
    ...facts,
    text,
    json() {
      try {
        return JSON.parse(text()) as unknown;
      } catch (cause) {
        const host = new URL(facts.url).host;
        // The parser's message would quote the body.
        const message = `${host} answered ${facts.status} with a body that is not JSON`;
        throw new UpstreamError(message, {
          retryable: false,
          cause: cause instanceof SyntaxError ? undefined : cause,
        });
      }
    },
  };
}

/** The decoder for a Content-Type's charset; UTF-8 where there is none, or one that nobody knows. */
function decoderFor(contentType: string | undefined): TextDecoder {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]{1,40})/i.exec(contentType ?? "")?.[1];
  try {
    return new TextDecoder(charset ?? "utf-8");
  } catch {
    return new TextDecoder();
  }
}
