import { type CallScope } from "./scope.ts";
import { type OutboundCall } from "./ports.ts";

/** Of a call, what has to be said; the rest is said where it is known. */
export type CallFacts = Partial<OutboundCall> &
  Pick<
    OutboundCall,
    | "method"
    | "host"
    | "path"
    | "status"
    | "error_code"
    | "started_at"
    | "duration_ms"
    | "bytes_sent"
    | "bytes_received"
  >;

/** Writes a row of the outbound log for a step of an attempt. A log that fails never fails the call. */
export function recordCall(scope: CallScope, step: string, facts: CallFacts): void {
  const { executionId, attempt, dispatch, callLog } = scope;
  try {
    // Every member in its place, so that all rows have one shape.
    callLog.record({
      execution_id: executionId,
      attempt,
      dispatch,
      step: shownStep(step),
      connection: facts.connection ?? null,
      protocol: facts.protocol ?? "http",
      purpose: facts.purpose ?? "engine",
      method: facts.method,
      host: facts.host,
      path: facts.path,
      status: facts.status,
      error_code: facts.error_code,
      started_at: facts.started_at,
      duration_ms: facts.duration_ms,
      dns_ms: facts.dns_ms ?? null,
      connect_ms: facts.connect_ms ?? null,
      tls_ms: facts.tls_ms ?? null,
      first_byte_ms: facts.first_byte_ms ?? null,
      bytes_sent: facts.bytes_sent,
      bytes_received: facts.bytes_received,
      try: facts.try ?? 1,
      breaker_state: facts.breaker_state ?? null,
      idempotency_key: facts.idempotency_key ?? null,
      request_headers: facts.request_headers ?? null,
      response_headers: facts.response_headers ?? null,
      request_body: facts.request_body ?? null,
      response_body: facts.response_body ?? null,
      resend: facts.resend ?? null,
    });
  } catch {
    // The call has been made; whoever keeps the log reports its own troubles.
  }
}

/** An engine's own words: cut, and without what a database can't keep. */
function shownStep(step: string): string {
  if (/^[\x20-\x7e]{0,100}$/.test(step)) return step;
  return step.slice(0, 100).replace(/\p{C}/gu, "\ufffd");
}
