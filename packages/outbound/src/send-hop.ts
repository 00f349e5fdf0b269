import { isInvalidRequest } from "./call-errors.ts";
import { type ConnectGuard } from "./connect-guard.ts";
import { MAX_IDLE_MS, type Connection, type ConnectionPool } from "./connection-pool.ts";
import { exchange, type Answer, type ExchangeOptions } from "./exchange.ts";
import { type OpenSocket } from "./open-socket.ts";
import { type Hop } from "./redirect.ts";

/** What the clients of one process share. */
export interface Connecting {
  readonly guard: ConnectGuard;
  readonly pool: ConnectionPool;
  readonly open: OpenSocket;
  /** For TCP and TLS together, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly certificateAuthorities?: readonly string[] | undefined;
}

/** Counts what went over the wire for one hop, also when it ends in an error. */
export interface Traffic {
  sent: number;
  received: number;
}

export interface SendHopOptions extends Pick<ExchangeOptions, "signal" | "planBody" | "onSending"> {
  readonly hop: Hop;
  /** Whether the request may have its effect twice. */
  readonly repeatable: boolean;
  readonly traffic: Traffic;
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
  const { hop, signal, traffic } = options;
  for (;;) {
    const connection =
      pool.take(hop.target, options.repeatable ? MAX_IDLE_MS : FRESH_IDLE_MS) ??
      (await connect(connecting, hop, signal));
    const { socket } = connection;
    const [readBefore, writtenBefore] = [socket.bytesRead, socket.bytesWritten];
    let sending = false;
    let reusable = false;
    try {
      const answer = await exchange({
        connection,
        request: hop.request,
        signal,
        planBody: options.planBody,
        onSending() {
          sending = true;
          options.onSending();
        },
      });
      reusable = answer.reusable;
      return answer;
    } catch (error) {
      const stale = connection.reused && !sending && !isInvalidRequest(error);
      if (!stale || signal.aborted) throw error;
    } finally {
      traffic.received += socket.bytesRead - readBefore;
      traffic.sent += socket.bytesWritten - writtenBefore;
      if (reusable) pool.release(connection);
      else pool.discard(connection);
    }
  }
}

async function connect(
  connecting: Connecting,
  { target }: Hop,
  signal: AbortSignal,
): Promise<Connection> {
  const addresses = await connecting.guard.addressesFor(target, signal);
  const socket = await connecting.open({
    target,
    addresses,
    timeoutMs: connecting.connectTimeoutMs,
    signal,
    certificateAuthorities: connecting.certificateAuthorities,
  });
  return connecting.pool.adopt(target, socket);
}
