import {
  type ExchangeEnd,
  type WebSocketExchangeOptions,
  type WebSocketMessage,
} from "./websocket-client.ts";

export interface Bounds extends Pick<WebSocketExchangeOptions, "count" | "match"> {
  readonly maxBytes: number;
  readonly maxMessages: number;
}

/** Keeps what comes in, and says when it is enough. */
export interface Collection {
  readonly messages: readonly WebSocketMessage[];
  /** @returns why it is enough now, or null */
  add(message: WebSocketMessage): ExchangeEnd | null;
}

/**
 * See {@link Collection}. A message that would go beyond `maxBytes` is left out, and ends it. Several may come in one
 * turn of the event loop: what follows the last one wanted is not kept.
 */
export function createCollection({ count, match, maxBytes, maxMessages }: Bounds): Collection {
  const messages: WebSocketMessage[] = [];
  let bytes = 0;
  let end: ExchangeEnd | null = null;

  const take = (message: WebSocketMessage): ExchangeEnd | null => {
    bytes += Buffer.byteLength(message.data);
    if (bytes > maxBytes) return "cap";
    messages.push(message);
    if (match?.(message) === true) return "match";
    if (count !== undefined && messages.length >= count) return "count";
    return messages.length >= maxMessages ? "cap" : null;
  };

  return {
    messages,
    add(message) {
      end ??= take(message);
      return end;
    },
  };
}
