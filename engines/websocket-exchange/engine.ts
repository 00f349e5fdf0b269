import { defineEngine, type WebSocketMessage } from "@tl-engine/engine-kit";

import { websocketExchangeContract } from "./contract.ts";
import { createMatcher } from "./matcher.ts";

/** One exchange per attempt; what the door throws says by itself whether the execution is tried again. */
export default defineEngine({
  ...websocketExchangeContract,
  uses: ["websocket"],
  async run(input, ctx) {
    const { until = {} } = input;
    const answer = await ctx.clients.websocket(input.connection).exchange(input.url, {
      headers: input.headers,
      subprotocols: input.subprotocols,
      send: (input.send ?? []).map(messageOf),
      count: until.count,
      match: createMatcher(until),
      idle: until.idle,
      timeout: input.timeout,
      maxMessageBytes: input.max_message_bytes,
      maxBytes: input.max_bytes,
      idempotent: input.idempotent,
      step: "exchange",
    });
    return {
      messages: answer.messages.map(shown),
      ended_by: answer.endedBy,
      close: answer.close,
      subprotocol: answer.subprotocol,
      duration_ms: answer.durationMs,
    };
  },
});

type Given = { text: string } | { json?: unknown } | { base64: string };

function messageOf(given: Given): string | Uint8Array {
  if ("text" in given) return given.text;
  if ("base64" in given) return Buffer.from(given.base64, "base64");
  return JSON.stringify(given.json ?? null);
}

/** Postgres keeps no NUL: a text with one is given as the bytes that it is. */
function shown({ type, data, atMs }: WebSocketMessage) {
  if (typeof data === "string" && !data.includes("\0")) return { type, data, at_ms: atMs };
  return { type: "binary" as const, data: Buffer.from(data).toString("base64"), at_ms: atMs };
}
