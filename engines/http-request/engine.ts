import { defineEngine, TerminalError, type HttpResponse } from "@tl-engine/engine-kit";

import { httpRequestContract } from "./contract.ts";
import { type ProtobufInput } from "./protobuf.ts";
import { readBody, type ReadBody } from "./read-body.ts";

/**
 * One call per attempt. What the door throws says by itself whether the execution is tried again, so
 * nothing is caught here: `docs/outbound.md` has the table.
 */
export default defineEngine({
  ...httpRequestContract,
  uses: ["http"],
  async run(input, ctx) {
    if (input.json !== undefined && input.text !== undefined) {
      throw new TerminalError("json and text exclude each other: give one of them", {
        code: "input_invalid",
        details: { pointer: "/text" },
      });
    }
    if (input.connection === undefined && input.url.startsWith("/")) {
      throw new TerminalError("a path needs a connection: give one, or an absolute URL", {
        code: "input_invalid",
        details: { pointer: "/url" },
      });
    }
    const protobuf = input.protobuf === undefined ? null : await withProtobuf(input.protobuf);
    const encoded =
      input.json === undefined ? undefined : protobuf?.codecs.request?.encode(input.json);
    const client = ctx.clients.http(input.connection);
    const answer = await client.request(withQuery(input.url, input.query), {
      method: input.method,
      headers:
        protobuf === null
          ? input.headers
          : headersOver(protobuf.headers(encoded !== undefined), input.headers),
      json: encoded === undefined ? input.json : undefined,
      body: encoded ?? input.text,
      timeout: input.timeout,
      maxResponseBytes: input.max_response_bytes,
      redirect: input.follow_redirects ? "follow" : "none",
      acceptStatus: input.accept_status,
      idempotent: input.idempotent,
      step: "request",
    });
    return {
      status: answer.status,
      url: answer.url,
      headers: answer.headers,
      ...(protobuf?.read(answer) ?? readBody(answer, input.response)),
      bytes: answer.bytes.length,
      duration_ms: answer.durationMs,
      redirects: answer.redirects,
    };
  },
});

/** Ours, where the caller has set none of the name, however it is written. */
function headersOver(
  ours: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const added = Object.entries(ours).filter(([name]) => !names.has(name));
  return { ...Object.fromEntries(added), ...given };
}

/** Loaded by those who need it: few do. */
async function withProtobuf(input: ProtobufInput) {
  const { codecsOf, decodeAnswer, isProtobuf, protobufMediaType } = await import("./protobuf.ts");
  const codecs = await codecsOf(input);
  return {
    codecs,
    headers: (encoded: boolean): Record<string, string> => ({
      ...(codecs.response === null ? {} : { accept: protobufMediaType }),
      ...(encoded ? { "content-type": protobufMediaType } : {}),
    }),
    /** Null where the answer is none, such as an error in JSON. */
    read: (answer: HttpResponse): ReadBody | null =>
      codecs.response !== null && isProtobuf(answer)
        ? { body: decodeAnswer(codecs.response, answer), body_encoding: "json" }
        : null,
  };
}

type Query = Readonly<Record<string, string | number | boolean | (string | number | boolean)[]>>;

/** Works on the text, so that the door sees every character that the caller wrote. */
function withQuery(url: string, query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) pairs.append(name, String(item));
  }
  if (pairs.size === 0) return url;
  const [address = "", ...fragment] = url.split("#");
  const separator = address.includes("?") ? "&" : "?";
  return [`${address}${separator}${pairs.toString()}`, ...fragment].join("#");
}
