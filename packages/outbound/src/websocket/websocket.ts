import { authorize } from "../auth/authorize.ts";
import { renewOnce, type TokenOfCall } from "../auth/renew-once.ts";
import { CallEnd } from "../call-end.ts";
import { callTimeoutMs } from "../call-timeout.ts";
import { connectionUrls } from "../connection-url.ts";
import { dial } from "../dial.ts";
import { OutboundRefusedError, UpstreamError } from "../errors.ts";
import { type OutboundRequest } from "../exchange.ts";
import { type Connection } from "../ports.ts";
import { makeProtocolCall } from "../protocol-call.ts";
import { checkHeaders } from "../request-headers.ts";
import { type CallScope } from "../scope.ts";
import { type Connecting } from "../send-hop.ts";
import { shownPath } from "../shown-path.ts";
import { readProtocolTarget, type Target } from "../target.ts";
import { CallTimeUp, timeoutError } from "../time-up.ts";
import { runExchange } from "./exchange.ts";
import {
  type WebSocketClient,
  type WebSocketExchange,
  type WebSocketExchangeOptions,
} from "./websocket-client.ts";

const MIB = 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_PING_MS = 15_000;
const MAX_MESSAGES = 10_000;

/** RFC 6455 §4.1: what a subprotocol's name is made of. */
const SUBPROTOCOL = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;

/** A WebSocket client for one attempt of one execution: to plain addresses, or through the connection named. */
export function createWebSocketClient(
  connecting: Connecting,
  scope: CallScope,
  connectionId?: string,
): WebSocketClient {
  let calls = 0;
  return {
    async exchange(url, options = {}) {
      calls++;
      scope.signal.throwIfAborted();
      const step = options.step ?? String(calls);
      const connection =
        connectionId === undefined
          ? null
          : await scope.connections.connection(connectionId, "websocket");
      const target =
        connection === null ? readProtocolTarget(url, "websocket") : targetThrough(connection, url);
      return exchange({ connecting, scope, connection, target, options, step });
    },
  };
}

interface Exchange {
  readonly connecting: Connecting;
  readonly scope: CallScope;
  readonly connection: Connection | null;
  readonly target: Target;
  readonly options: WebSocketExchangeOptions;
  readonly step: string;
}

async function exchange(call: Exchange): Promise<WebSocketExchange> {
  const { connecting, scope, connection, target, options } = call;
  const headers = checkHeaders({ ...connection?.headers, ...options.headers });
  const subprotocols = checkSubprotocols(options.subprotocols ?? []);
  const send = options.send ?? [];
  if (send.some((message) => Buffer.byteLength(message) > MIB)) {
    throw new OutboundRefusedError(`a message to send is larger than ${MIB} bytes`);
  }
  const timeoutMs = callTimeoutMs(
    options.timeout ?? connection?.timeouts.totalMs ?? DEFAULT_TIMEOUT_MS,
  );
  const hidden = connection?.log.hidePaths === true;
  const plan = {
    what: `websocket ${target.url.host}${shownPath(target.url, hidden, 256)}`,
    subprotocols,
    send,
    count: options.count,
    match: options.match,
    idleMs: options.idle === undefined ? null : callTimeoutMs(options.idle),
    maxMessageBytes: Math.min(options.maxMessageBytes ?? MIB, MIB),
    maxBytes: options.maxBytes ?? 5 * MIB,
    maxMessages: Math.min(options.maxMessages ?? MAX_MESSAGES, MAX_MESSAGES),
    pingEveryMs: callTimeoutMs(options.pingEvery ?? DEFAULT_PING_MS),
    idempotent: options.idempotent ?? false,
    timeoutMs,
  };
  const end = new CallEnd(scope.signal);
  end.within(timeoutMs, new CallTimeUp());
  const token: TokenOfCall = { stale: null, used: null };
  const once = (number: number) =>
    makeProtocolCall({
      guard: connecting.guard,
      scope,
      connection,
      protocol: "websocket",
      target,
      method: "GET",
      path: shownPath(target.url, hidden, 2048),
      step: call.step,
      number,
      idempotencyKey: null,
      isFault: (error) => error instanceof UpstreamError && isFault(error.status),
      run: async (tally) => {
        const handshake = await authorized(call, headers, token, end);
        const socket = await dial(connecting, { target, connection, tally, signal: end.signal });
        return runExchange({ ...plan, ...handshake, socket, tally, end });
      },
    });
  try {
    return await renewOnce(token, once, isUnauthorized);
  } catch (error) {
    // Before the connection was there nothing was sent.
    if (error instanceof CallTimeUp) throw timeoutError(plan.what, error, timeoutMs, true);
    throw error;
  } finally {
    end.stop();
  }
}

/** Address and headers of the handshake, with the connection's credentials. */
async function authorized(
  { scope, connection, target }: Exchange,
  headers: Readonly<Record<string, string>>,
  token: TokenOfCall,
  end: CallEnd,
): Promise<{ url: string; headers: Readonly<Record<string, string>> }> {
  const path = target.url.pathname + target.url.search;
  const request = {
    method: "GET",
    path,
    headers: { "user-agent": "tl-engine", ...headers },
    body: null,
  };
  let sent: OutboundRequest = request;
  if (connection !== null) {
    const { stale } = token;
    const shown = await authorize(request, connection, scope, end.signal, { stale });
    token.used = shown.accessToken;
    sent = shown.request;
  }
  return { url: target.url.origin.replace(/^http/, "ws") + sent.path, headers: sent.headers };
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof UpstreamError && error.status === 401;
}

/** @throws OutboundRefusedError for what the connection does not allow */
function targetThrough(connection: Connection, url: string): Target {
  readProtocolTarget(connection.baseUrl, "websocket");
  const asHttp = (text: string) => text.replace(/^ws(?=s?:)/i, "http");
  const urls = connectionUrls({ ...connection, baseUrl: asHttp(connection.baseUrl) });
  urls.allowMethod("GET");
  return urls.target(asHttp(url));
}

/** A status of the handshake, or a close code, by which the other side says that it is broken. */
function isFault(status: number | undefined): boolean {
  return status !== undefined && ((status >= 500 && status < 600) || status === 1011);
}

/** @throws OutboundRefusedError for a name that would not arrive as it was meant, or is given twice */
function checkSubprotocols(names: readonly string[]): readonly string[] {
  const unique = new Set(names);
  if (unique.size < names.length || names.some((name) => !SUBPROTOCOL.test(name))) {
    throw new OutboundRefusedError("a subprotocol is no token, or is given twice");
  }
  return names;
}
