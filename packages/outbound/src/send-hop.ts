import { tlsOfConnection } from "./auth/tls-of-connection.ts";
import { isInvalidRequest } from "./call-errors.ts";
import { type CallEnd } from "./call-end.ts";
import { type ConnectGuard } from "./connect-guard.ts";
import {
  MAX_IDLE_MS,
  type ConnectionPool,
  type PooledSocket,
  type PoolKey,
} from "./connection-pool.ts";
import { exchange, type Answer, type ExchangeWatcher, type OutboundRequest } from "./exchange.ts";
import { type OpenSocket, type SocketTimings } from "./open-socket.ts";
import { type Connection } from "./ports.ts";
import { type RouteOf } from "./route.ts";
import { type Target } from "./target.ts";

/** What the clients of one process share. */
export interface Connecting {
  readonly guard: ConnectGuard;
  readonly pool: ConnectionPool;
  readonly open: OpenSocket;
  readonly routeOf: RouteOf;
  /** For TCP and TLS together, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly certificateAuthorities?: readonly string[] | undefined;
}

/** What went over the wire for one hop, and the parts of its time, also when it ends in an error. */
export interface Traffic extends SocketTimings {
  sent: number;
  received: number;
  /** Whether the first byte of the request was handed over; the watcher says so. */
  sending: boolean;
  dnsMs: number | null;
}

export interface SendHopOptions {
  readonly target: Target;
  /** With the credentials, if it has any. */
  readonly request: OutboundRequest;
  /** The connection whose certificates and times count; null for an address that is not on its origin. */
  readonly connection: Connection | null;
  /** Whether the request may have its effect twice. */
  readonly repeatable: boolean;
  readonly traffic: Traffic;
  readonly end: CallEnd;
  readonly watcher: ExchangeWatcher;
}

/**
 * A request that must not be sent twice takes no connection that was idle for longer (milliseconds):
 * the other side may be closing it, and then nobody could say whether the request arrived.
 */
const FRESH_IDLE_MS = 1000;

/**
 * Sends one hop's request over a kept or a new connection, once. A kept connection that turns out to
 * be closed before anything was sent is replaced.
 */
export async function sendHop(connecting: Connecting, options: SendHopOptions): Promise<Answer> {
  const { pool } = connecting;
  const { target, request, end, traffic } = options;
  const key: PoolKey = { origin: target.url.origin, connection: options.connection };
  for (;;) {
    const pooled =
      pool.take(key, options.repeatable ? MAX_IDLE_MS : FRESH_IDLE_MS) ??
      (await connect(connecting, key, options));
    const { socket } = pooled;
    const readBefore = socket.bytesRead;
    const writtenBefore = socket.bytesWritten;
    let reusable = false;
    try {
      const answer = await exchange(pooled, request, end, options.watcher);
      reusable = answer.reusable;
      return answer;
    } catch (error) {
      const stale = pooled.reused && !traffic.sending && !isInvalidRequest(error);
      if (!stale || end.over) throw error;
    } finally {
      traffic.received += socket.bytesRead - readBefore;
      traffic.sent += socket.bytesWritten - writtenBefore;
      if (reusable) pool.release(pooled);
      else pool.discard(pooled);
    }
  }
}

async function connect(
  connecting: Connecting,
  key: PoolKey,
  { target, connection, end, traffic }: SendHopOptions,
): Promise<PooledSocket> {
  const { signal } = end;
  const from = performance.now();
  const addresses = await connecting.guard.addressesFor(target, signal);
  if (target.address === null) traffic.dnsMs = performance.now() - from;
  const { certificateAuthorities } = connecting;
  const socket = await connecting.open({
    target,
    addresses,
    timeoutMs: connection?.timeouts.connectMs ?? connecting.connectTimeoutMs,
    signal,
    timings: traffic,
    ...(connection === null
      ? { certificateAuthorities }
      : tlsOfConnection(connection.tls, certificateAuthorities)),
  });
  return connecting.pool.adopt(key, socket);
}
