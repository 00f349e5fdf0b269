import { getCACertificates } from "node:tls";

import { isOwnOrigin } from "../auth/own-origin.ts";
import { type Connection, type ConnectionTls } from "../ports.ts";

/**
 * A token endpoint as a connection of its own: with the certificates of the one that it serves, and nothing else of it.
 * No credentials, no retries, no circuit, and no bodies in the log, which would be full of secrets.
 */
export function endpointConnection(
  connection: Connection,
  tokenUrl: URL,
  timeoutMs: number,
): Connection {
  return {
    id: connection.id,
    kind: "http",
    revision: connection.revision,
    baseUrl: tokenUrl.origin,
    headers: {},
    auth: { type: "none" },
    tls: tlsFor(connection, tokenUrl),
    timeouts: {
      connectMs: connection.timeouts.connectMs,
      firstByteMs: timeoutMs,
      totalMs: timeoutMs,
    },
    retry: { maxRetries: 0, initialMs: 0, maxMs: 0, maxRetryAfterMs: 0 },
    methods: null,
    paths: null,
    concurrency: null,
    rate: null,
    breaker: null,
    log: { bodies: false, maxBodyBytes: 0 },
  };
}

/**
 * On the connection's own origin all of it. Elsewhere its private authority counts beside the system's, since a private
 * API often trusts a public authorisation server, and its client certificate is shown to nobody.
 */
function tlsFor(connection: Connection, tokenUrl: URL): ConnectionTls {
  const { tls } = connection;
  if (isOwnOrigin(connection, tokenUrl)) return tls;
  const ca = tls.ca === null ? null : [tls.ca, ...getCACertificates("default")].join("\n");
  return { ca, certificate: null, privateKey: null };
}
