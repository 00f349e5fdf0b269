import {
  type InputOf,
  type WebSocketExchange,
  type WebSocketExchangeOptions,
  type WebSocketMessage,
} from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";

import { websocketExchangeContract } from "./contract.ts";
import websocketExchange from "./engine.ts";

// The door itself is proved in packages/outbound. Here stands its port, so that what the engine asks
// of it and makes of its answers can be seen.
function run(
  input: InputOf<typeof websocketExchangeContract>,
  messages: readonly WebSocketMessage[] = [],
) {
  const asked: {
    connection?: string | undefined;
    url?: string;
    options?: WebSocketExchangeOptions;
  } = {};
  const answer: WebSocketExchange = {
    messages,
    endedBy: "match",
    close: null,
    subprotocol: "v1",
    durationMs: 12,
  };
  const websocket = (connection?: string) => ({
    async exchange(url: string, options: WebSocketExchangeOptions = {}) {
      Object.assign(asked, { connection, url, options });
      return answer;
    },
  });
  return { asked, output: runEngine(websocketExchange, input, { clients: { websocket } }) };
}

const url = "wss://api.example/feed";
const text = (data: string): WebSocketMessage => ({ type: "text", data, atMs: 5 });

test("messages go out as text, JSON and bytes, and come back as text and base64", async () => {
  const { asked, output } = run(
    { url, send: [{ text: "a" }, { json: { b: 1 } }, { base64: "AQL/" }] },
    [text("x"), { type: "binary", data: new Uint8Array([1, 2, 255]), atMs: 7 }, text("nul \0")],
  );
  expect(await output).toEqual({
    messages: [
      { type: "text", data: "x", at_ms: 5 },
      { type: "binary", data: "AQL/", at_ms: 7 },
      { type: "binary", data: Buffer.from("nul \0").toString("base64"), at_ms: 5 },
    ],
    ended_by: "match",
    close: null,
    subprotocol: "v1",
    duration_ms: 12,
  });
  expect(asked.options?.send).toEqual(["a", '{"b":1}', Buffer.from([1, 2, 255])]);
  expect(asked.options).toMatchObject({ timeout: undefined, step: "exchange", match: undefined });
});

test("through a connection, until what is wanted comes", async () => {
  const { asked, output } = run({
    connection: "feed",
    url: "/prices",
    until: { count: 3, idle: "2s", contains: "EUR", json: { type: "price", tags: ["a"] } },
  });
  await output;
  expect(asked).toMatchObject({
    connection: "feed",
    url: "/prices",
    options: { count: 3, idle: "2s" },
  });
  const match = asked.options?.match;
  expect(match?.(text('{"type":"price","tags":["a"],"currency":"EUR"}'))).toBe(true);
  expect(match?.(text('{"type":"price","tags":["a"],"currency":"USD"}'))).toBe(false);
  expect(match?.(text('{"type":"price","tags":["b"],"currency":"EUR"}'))).toBe(false);
  expect(match?.(text("EUR"))).toBe(false);
  expect(match?.({ type: "binary", data: new Uint8Array(), atMs: 1 })).toBe(false);
});
