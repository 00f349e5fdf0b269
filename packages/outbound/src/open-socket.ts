import { connect as connectTcp, isIPv6, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { type SocketTls } from "./auth/tls-of-connection.ts";
import { ConnectionFailedError } from "./errors.ts";
import { type Target } from "./target.ts";

export interface OpenSocketOptions extends SocketTls {
  readonly target: Target;
  /** Judged addresses; the socket is connected to one of them and to nothing else. */
  readonly addresses: readonly string[];
  /** For TCP and TLS together, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Filled in as the parts end. */
  readonly timings?: SocketTimings | undefined;
  /** What is offered by ALPN (RFC 7301) where there is TLS. Default `http/1.1`. */
  readonly alpn?: readonly string[] | undefined;
}

/** How long the parts of opening a socket took, in milliseconds; null: not there, or not reached. */
export interface SocketTimings {
  connectMs: number | null;
  tlsMs: number | null;
}

export type OpenSocket = (options: OpenSocketOptions) => Promise<Socket>;

/**
 * Opens a connection to one of the addresses given, with TLS for https. The certificate is always
 * checked against the target's host name: no environment variable and no option turns that off.
 *
 * An abort or the end of the time destroys the socket at once, in whatever state it is.
 *
 * @throws ConnectionFailedError, or the signal's reason.
 */
export async function openSocket(options: OpenSocketOptions): Promise<Socket> {
  const { target, timeoutMs, signal } = options;
  signal.throwIfAborted();

  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = target.secure ? startTls(options) : connectTcp(addressOptions(options));
  socket.setNoDelay(true);
  if (options.timings) measure(socket, options.timings);
  socket.once(target.secure ? "secureConnect" : "connect", () => resolve(socket));
  // Stays for the socket's life: an error that nobody hears would end the process.
  socket.on("error", (error) => reject(connectionFailed(target, error)));
  socket.once("close", () => reject(connectionFailed(target, null)));
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    const message = `${target.url.host}: no connection within ${timeoutMs} ms`;
    reject(new ConnectionFailedError(message, { retryable: true }));
  }, timeoutMs);
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function measure(socket: Socket, timings: SocketTimings): void {
  const from = performance.now();
  let connected = from;
  socket.once("connect", () => {
    connected = performance.now();
    timings.connectMs = connected - from;
  });
  socket.once("secureConnect", () => {
    timings.tlsMs = performance.now() - connected;
  });
}

/** What OpenSSL cannot read fails here, before anything is sent. */
function startTls(options: OpenSocketOptions): Socket {
  try {
    return openTls(options);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    // Not as its cause: nobody vouches for what OpenSSL says of a key.
    throw new ConnectionFailedError(
      `${options.target.url.host}: the connection's authority, certificate or private key cannot be used (${code})`,
      { retryable: false },
    );
  }
}

function openTls(options: OpenSocketOptions): Socket {
  const { target, certificateAuthorities, clientCertificate } = options;
  const name = target.hostname.endsWith(".") ? target.hostname.slice(0, -1) : target.hostname;
  return connectTls({
    ...addressOptions(options),
    // The name sent to the server and, with the host, the one its certificate must carry. An address
    // is never sent (RFC 6066), and its certificate is checked against the address itself.
    ...(target.address === null ? { servername: name } : {}),
    // Said outright, since NODE_TLS_REJECT_UNAUTHORIZED would otherwise decide.
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ALPNProtocols: [...(options.alpn ?? ["http/1.1"])],
    ...(certificateAuthorities ? { ca: [...certificateAuthorities] } : {}),
    ...(clientCertificate
      ? { cert: clientCertificate.certificate, key: clientCertificate.privateKey }
      : {}),
  });
}

/** Host and port with a look-up that knows only the judged addresses. */
function addressOptions({ target, addresses }: OpenSocketOptions) {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  const lookup: LookupFunction = (_hostname, { all }, callback) => {
    const [first] = answers;
    if (!first) callback(new Error("no address"), "");
    else if (all) callback(null, answers);
    else callback(null, first.address, first.family);
  };
  // An address as host would skip the look-up, so it is given as it was judged.
  const host = target.address === null ? target.hostname : (addresses[0] ?? "");
  // Both families are tried a quarter of a second apart (RFC 8305), so that a broken IPv6 costs no more.
  return { host, port: target.port, lookup, autoSelectFamily: true };
}

function connectionFailed(target: Target, cause: Error | null): ConnectionFailedError {
  const code = cause && "code" in cause ? String(cause.code) : "closed";
  const untrusted = isCertificateError(code);
  const what = untrusted ? "its certificate is not accepted" : "no connection";
  return new ConnectionFailedError(`${target.url.host}: ${what} (${code})`, {
    // A certificate does not get better within an execution's attempts.
    retryable: !untrusted,
    // Other causes name the address, and callers read a cause's message.
    cause: untrusted ? cause : undefined,
  });
}

/** OpenSSL's verification errors, as Node names them, and Node's own check of the name. */
function isCertificateError(code: string): boolean {
  return (
    code === "ERR_TLS_CERT_ALTNAME_INVALID" ||
    /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/.test(
      code,
    )
  );
}
