/** A frame's payload, or a message's: text as text, binary as bytes. */
export interface WebSocketMessage {
  readonly type: "text" | "binary";
  /** Binary data as bytes. */
  readonly data: string | Uint8Array;
  /** Since the connection was open, ms. */
  readonly atMs: number;
}

/** Why collecting ended. `cap`: as many messages or bytes as are taken. */
export type ExchangeEnd = "count" | "match" | "idle" | "closed" | "deadline" | "cap";

export interface WebSocketExchangeOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Offered in this order (RFC 6455 §1.9). */
  readonly subprotocols?: readonly string[] | undefined;
  /** Sent in this order as soon as the connection is open. */
  readonly send?: readonly (string | Uint8Array)[] | undefined;
  /** Ends after this many messages. */
  readonly count?: number | undefined;
  /** Ends with the first message for which it is true; that message is the last of the result. */
  readonly match?: ((message: WebSocketMessage) => boolean) | undefined;
  /** Ends when nothing came for so long, ms or a duration. */
  readonly idle?: number | string | undefined;
  /** The whole exchange ends by then, with what was collected: milliseconds or `30s`. Default 30 s. */
  readonly timeout?: number | string | undefined;
  /** Default and most 1 MiB: a longer message ends the exchange with an error. */
  readonly maxMessageBytes?: number | undefined;
  /** All messages together. Default 5 MiB; reaching it ends the exchange (`cap`). */
  readonly maxBytes?: number | undefined;
  /** Default and most 10,000. */
  readonly maxMessages?: number | undefined;
  /** A ping goes out so often, and without an answer until the next one the connection is given up. Default 15 s. */
  readonly pingEvery?: number | string | undefined;
  /** Says that the other side does nothing twice, so that a failed exchange may be made again though messages were sent. */
  readonly idempotent?: boolean | undefined;
  /** Names this exchange within its execution, for the log. Default: its number. */
  readonly step?: string | undefined;
}

export interface WebSocketExchange {
  readonly messages: readonly WebSocketMessage[];
  readonly endedBy: ExchangeEnd;
  /** The other side's close code and reason; null where this side closed. */
  readonly close: { readonly code: number; readonly reason: string } | null;
  /** What the server chose of those offered; null where it chose none. */
  readonly subprotocol: string | null;
  readonly durationMs: number;
}

/** The one way to talk to WebSocket services. */
export interface WebSocketClient {
  /**
   * Connects, sends, collects until something said ends it, and closes.
   *
   * @param url `wss://…`; through a connection a path below its base URL
   * What it throws carries `code`, `retryable` and `retryAfterMs`, as `http` does.
   */
  exchange(url: string, options?: WebSocketExchangeOptions): Promise<WebSocketExchange>;
}
