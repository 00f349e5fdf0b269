import { type ConnectGuard } from "./connect-guard.ts";
import { ConnectionFailedError, OutboundError, ParkedError, TimeoutError } from "./errors.ts";
import { failedProbe } from "./failed-probe.ts";
import { type Connection, type OutboundCall, type Protocol } from "./ports.ts";
import { recordCall } from "./record-call.ts";
import { type CallScope } from "./scope.ts";
import { type Target } from "./target.ts";

/** What is known of a call while it is made, also when it ends in an error. */
export interface Tally {
  status: number | null;
  bytesSent: number;
  bytesReceived: number;
  dnsMs: number | null;
  connectMs: number | null;
  tlsMs: number | null;
  firstByteMs: number | null;
}

export interface ProtocolCall<T> {
  readonly guard: ConnectGuard;
  readonly scope: CallScope;
  /** null: to a plain address. */
  readonly connection: Connection | null;
  readonly protocol: Exclude<Protocol, "http">;
  readonly target: Target;
  readonly method: string;
  /** Without a query. */
  readonly path: string;
  readonly step: string;
  /** Of this try, from 1. Default 1. */
  readonly number?: number;
  readonly idempotencyKey: string | null;
  /** Whether an answer with this error says that the other side is broken, so that its circuit may open. */
  isFault(error: OutboundError): boolean;
  /** The call itself; it keeps the tally up to date. */
  run(tally: Tally): Promise<T>;
}

/**
 * One call of a protocol that has no redirects and no tries of its own: judged, let through by the connection's circuit,
 * concurrency and rate, and put on record however it ends.
 *
 * @throws OutboundRefusedError, ParkedError, and what `run` throws
 */
export async function makeProtocolCall<T>(call: ProtocolCall<T>): Promise<T> {
  const { scope, connection, target } = call;
  const startedAt = new Date().toISOString();
  const start = performance.now();
  const tally: Tally = {
    status: null,
    bytesSent: 0,
    bytesReceived: 0,
    dnsMs: null,
    connectMs: null,
    tlsMs: null,
    firstByteMs: null,
  };
  let breakerState: OutboundCall["breaker_state"] = null;
  let errorCode: string | null = null;
  try {
    call.guard.check(target);
    if (connection === null) return await call.run(tally);
    const admitted = await scope.admission.enter(connection, scope.signal);
    breakerState = admitted.breakerState;
    let outcome: "success" | "failure" | "ignored" = "success";
    try {
      return await call.run(tally);
    } catch (error) {
      outcome = outcomeOf(call, error);
      errorCode = codeOf(error);
      throw failedProbe(error, admitted, outcome, connection);
    } finally {
      admitted.leave(outcome);
    }
  } catch (error) {
    errorCode ??= codeOf(error);
    if (error instanceof ParkedError && error.park.reason === "circuit_open")
      breakerState ??= "open";
    throw error;
  } finally {
    recordCall(scope, call.step, {
      connection: connection?.id ?? null,
      protocol: call.protocol,
      method: call.method,
      host: target.url.host,
      path: call.path.slice(0, 2048),
      status: tally.status,
      error_code: errorCode,
      started_at: startedAt,
      duration_ms: Math.round(performance.now() - start),
      dns_ms: tally.dnsMs,
      connect_ms: tally.connectMs,
      tls_ms: tally.tlsMs,
      first_byte_ms: tally.firstByteMs,
      bytes_sent: tally.bytesSent,
      bytes_received: tally.bytesReceived,
      breaker_state: breakerState,
      try: call.number ?? 1,
      idempotency_key: call.idempotencyKey,
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof OutboundError ? error.code : "aborted";
}

function outcomeOf<T>(call: ProtocolCall<T>, error: unknown): "success" | "failure" | "ignored" {
  if (call.scope.signal.aborted || !(error instanceof OutboundError)) return "ignored";
  if (error.code === "outbound_refused") return "ignored";
  if (error instanceof ConnectionFailedError || error instanceof TimeoutError) return "failure";
  return call.isFault(error) ? "failure" : "success";
}
