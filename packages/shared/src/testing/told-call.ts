import { v7 as uuidv7 } from "uuid";
import type { ToldCall } from "../outbound-log/told-call.ts";

/** A call as a host tells it, for tests. */
export function toldCall(over: Partial<ToldCall> = {}): ToldCall {
  return {
    execution_id: uuidv7(),
    attempt: 1,
    dispatch: 1,
    step: "1",
    connection: null,
    protocol: "http",
    purpose: "engine",
    method: "GET",
    host: "api.example.com",
    path: "/v1/things",
    status: 200,
    error_code: null,
    started_at: new Date().toISOString(),
    duration_ms: 12.5,
    dns_ms: 1,
    connect_ms: 2,
    tls_ms: 3,
    first_byte_ms: 4,
    bytes_sent: 100,
    bytes_received: 200,
    try: 1,
    breaker_state: null,
    idempotency_key: null,
    request_headers: { accept: "*/*" },
    response_headers: { "content-type": "application/json" },
    request_body: null,
    response_body: null,
    resend: null,
    ...over,
  };
}
