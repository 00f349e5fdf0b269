import { type ConnectionTls } from "../ports.ts";

/** What a socket's TLS takes from a connection, in PEM. */
export interface SocketTls {
  /** Replace the system's authorities; undefined: the system's. */
  readonly certificateAuthorities?: readonly string[] | undefined;
  /** Shown to a server that asks for one. */
  readonly clientCertificate?: ClientCertificate | undefined;
}

export interface ClientCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * A connection's private authorities and client certificate, as `openSocket` takes them. Sockets with one connection's
 * certificate serve no other: whoever keeps them must keep them apart by connection and revision.
 *
 * @param authorities those of the process, for a connection without its own
 */
export function tlsOfConnection(tls: ConnectionTls, authorities?: readonly string[]): SocketTls {
  const { ca, certificate, privateKey } = tls;
  return {
    certificateAuthorities: ca === null ? authorities : [ca],
    ...(certificate !== null && privateKey !== null
      ? { clientCertificate: { certificate, privateKey } }
      : {}),
  };
}
