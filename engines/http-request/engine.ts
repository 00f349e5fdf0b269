import { defineEngine, TerminalError } from "@tl-engine/engine-kit";

import { httpRequestContract } from "./contract.ts";
import { readBody } from "./read-body.ts";

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
    const client = ctx.clients.http(input.connection);
    const answer = await client.request(withQuery(input.url, input.query), {
      method: input.method,
      headers: input.headers,
      json: input.json,
      body: input.text,
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
      ...readBody(answer, input.response),
      bytes: answer.bytes.length,
      duration_ms: answer.durationMs,
      redirects: answer.redirects,
    };
  },
});

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
