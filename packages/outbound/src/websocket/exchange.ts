import { type ClientRequest, type IncomingMessage } from "node:http";
import { type Socket } from "node:net";

import { WebSocket } from "ws";

import { type CallEnd } from "../call-end.ts";
import { ConnectionFailedError, ResponseTooLargeError, UpstreamError } from "../errors.ts";
import { type Tally } from "../protocol-call.ts";
import { retryAfterMs } from "../retry-after.ts";
import { isRetryableStatus } from "../retry-safety.ts";
import { CallTimeUp, timeoutError } from "../time-up.ts";
import { closeError, isOrderly, type Close } from "./close-code.ts";
import { createCollection, type Bounds } from "./collect.ts";
import {
  type ExchangeEnd,
  type WebSocketExchange,
  type WebSocketMessage,
} from "./websocket-client.ts";

export interface ExchangePlan extends Bounds {
  /** How errors name the target. */
  readonly what: string;
  /** With the scheme ws or wss. */
  readonly url: string;
  /** Connected, with TLS where it is to be. */
  readonly socket: Socket;
  readonly headers: Readonly<Record<string, string>>;
  readonly subprotocols: readonly string[];
  readonly send: readonly (string | Uint8Array)[];
  readonly idleMs: number | null;
  readonly maxMessageBytes: number;
  readonly pingEveryMs: number;
  readonly idempotent: boolean;
  readonly tally: Tally;
  readonly end: CallEnd;
  /** The whole exchange's, ms: what `end` was told. */
  readonly timeoutMs: number;
}

/** How long the other side has to answer a close frame, ms. */
const CLOSE_MS = 1_000;

/** Speaks WebSocket over a connected socket until the plan says that it is enough. */
export async function runExchange(plan: ExchangePlan): Promise<WebSocketExchange> {
  const { what, tally, end } = plan;
  const start = performance.now();
  // Compression is off: what comes in is as large as its frames say, and nothing unfolds.
  const client = new WebSocket(plan.url, [...plan.subprotocols], {
    createConnection: () => plan.socket,
    headers: { ...plan.headers },
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: plan.maxMessageBytes,
  });
  const collection = createCollection(plan);
  const { promise, resolve, reject } = Promise.withResolvers<ExchangeEnd>();
  let openedAt: number | null = null;
  let sent = false;
  let close: Close | null = null;
  let idle: NodeJS.Timeout | null = null;
  let ping: NodeJS.Timeout | null = null;
  let answeredPing = true;
  const repeatable = () => !sent || plan.idempotent;

  const startIdle = () => {
    if (plan.idleMs === null) return;
    if (idle) idle.refresh();
    else idle = setTimeout(() => resolve("idle"), plan.idleMs);
  };
  end.listen((reason) => {
    if (!(reason instanceof CallTimeUp)) reject(reason);
    else if (openedAt === null) reject(timeoutError(what, reason, plan.timeoutMs, true));
    else resolve("deadline");
  });

  client.on("unexpected-response", (_request: ClientRequest, answer: IncomingMessage) => {
    const status = answer.statusCode ?? 0;
    tally.status = status;
    reject(refusedHandshake(what, status, answer.headers["retry-after"]));
  });
  client.on("open", () => {
    openedAt = performance.now();
    tally.firstByteMs = openedAt - start;
    tally.status = 101;
    startIdle();
    ping = setInterval(() => {
      if (!answeredPing) {
        reject(
          new ConnectionFailedError(`${what}: no answer to a ping`, { retryable: repeatable() }),
        );
      }
      answeredPing = false;
      client.ping();
    }, plan.pingEveryMs);
    for (const message of plan.send) {
      sent = true;
      client.send(message);
    }
  });
  client.on("pong", () => (answeredPing = true));
  client.on("message", (data: Buffer, isBinary: boolean) => {
    answeredPing = true;
    startIdle();
    const message: WebSocketMessage = {
      type: isBinary ? "binary" : "text",
      data: isBinary ? new Uint8Array(data) : data.toString("utf8"),
      atMs: Math.round(performance.now() - (openedAt ?? start)),
    };
    try {
      const end = collection.add(message);
      if (end !== null) resolve(end);
    } catch (error) {
      reject(error);
    }
  });
  client.on("close", (code: number, reason: Buffer) => {
    close = { code, reason: reason.toString("utf8") };
    if (openedAt === null) {
      reject(new ConnectionFailedError(`${what}: the connection broke`, { retryable: true }));
      return;
    }
    tally.status = code;
    if (isOrderly(close)) resolve("closed");
    else reject(closeError(what, close, repeatable()));
  });
  client.on("error", (error) => reject(clientError(what, error, repeatable())));

  try {
    const endedBy = await promise;
    return {
      messages: collection.messages,
      endedBy,
      close,
      subprotocol: client.protocol === "" ? null : client.protocol,
      durationMs: Math.round(performance.now() - start),
    };
  } finally {
    end.listen(null);
    if (idle) clearTimeout(idle);
    if (ping) clearInterval(ping);
    await leave(client, plan.socket, endsNow(end));
    tally.bytesSent = plan.socket.bytesWritten;
    tally.bytesReceived = plan.socket.bytesRead;
  }
}

/** Whether there is no time for a goodbye: the execution itself ends. */
function endsNow({ over, reason }: CallEnd): boolean {
  return over && !(reason instanceof CallTimeUp);
}

/** Says goodbye, waits a moment for the answer, and closes the socket whatever came. */
async function leave(client: WebSocket, socket: Socket, atOnce: boolean): Promise<void> {
  if (client.readyState === WebSocket.OPEN && !atOnce) {
    const closed = Promise.withResolvers<void>();
    client.once("close", () => closed.resolve());
    const timer = setTimeout(() => closed.resolve(), CLOSE_MS);
    client.close(1000);
    await closed.promise;
    clearTimeout(timer);
  }
  client.terminate();
  socket.destroy();
}

function refusedHandshake(what: string, status: number, after: string | undefined): UpstreamError {
  return new UpstreamError(`${what}: the handshake was answered with ${status}`, {
    status,
    // Nothing was sent but a GET.
    retryable: isRetryableStatus(status, true),
    retryAfterMs: after === undefined ? undefined : retryAfterMs({ "retry-after": after }),
  });
}

function clientError(what: string, error: Error, repeatable: boolean): Error {
  const code = "code" in error ? String(error.code) : "";
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" || code === "WS_ERR_TOO_MANY_BUFFERED_PARTS") {
    return new ResponseTooLargeError(`${what}: a message is larger than is taken, and was cut`);
  }
  if (code.startsWith("WS_ERR_") || error.name === "SyntaxError") {
    return new UpstreamError(`${what}: what came is no valid WebSocket (${code || "handshake"})`, {
      retryable: false,
    });
  }
  const handshake = /Sec-WebSocket|subprotocol|upgrade/i.test(error.message);
  if (handshake) {
    return new UpstreamError(`${what}: the handshake's answer is not valid`, { retryable: false });
  }
  return new ConnectionFailedError(`${what}: the connection broke (${code || "closed"})`, {
    retryable: repeatable,
  });
}
