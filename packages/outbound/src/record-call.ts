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
    callLog.record({
      execution_id: executionId,
      attempt,
      dispatch,
      // An engine's own words: cut, and without what a database can't keep.
      step: step.slice(0, 100).replace(/\p{C}/gu, "\ufffd"),
      connection: null,
      protocol: "http",
      purpose: "engine",
      dns_ms: null,
      connect_ms: null,
      tls_ms: null,
      first_byte_ms: null,
      try: 1,
      breaker_state: null,
      idempotency_key: null,
      request_headers: null,
      response_headers: null,
      request_body: null,
      response_body: null,
      resend: null,
      ...facts,
    });
  } catch {
    // The call has been made; whoever keeps the log reports its own troubles.
  }
}
