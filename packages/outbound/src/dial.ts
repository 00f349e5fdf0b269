import { type Socket } from "node:net";

import { tlsOfConnection } from "./auth/tls-of-connection.ts";
import { type Connection } from "./ports.ts";
import { type Tally } from "./protocol-call.ts";
import { type Connecting } from "./send-hop.ts";
import { type Target } from "./target.ts";

export interface DialOptions {
  readonly target: Target;
  /** Its private authorities and client certificate count; null: a plain address. */
  readonly connection: Connection | null;
  readonly alpn?: readonly string[] | undefined;
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

/**
 * A socket to a judged address, with TLS where the target says so, for a protocol that speaks over it by itself.
 *
 * @throws OutboundRefusedError, ConnectionFailedError, or the signal's reason
 */
export async function dial(connecting: Connecting, options: DialOptions): Promise<Socket> {
  const { target, connection, tally, signal } = options;
  const start = performance.now();
  const addresses = await connecting.guard.addressesFor(target, signal);
  if (target.address === null) tally.dnsMs = performance.now() - start;
  const { certificateAuthorities } = connecting;
  return connecting.open({
    target,
    addresses,
    timeoutMs: connection?.timeouts.connectMs ?? connecting.connectTimeoutMs,
    signal,
    timings: tally,
    alpn: options.alpn,
    ...(connection === null
      ? { certificateAuthorities }
      : tlsOfConnection(connection.tls, certificateAuthorities)),
  });
}
