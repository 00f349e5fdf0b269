/**
 * What this package asks of the process it runs in. Nothing here knows a database or a queue: the
 * worker's host implements these ports, tests implement them with arrays.
 */

/** One call to the outside: a row of the outbound log. Each redirect hop is a call of its own. */
export interface OutboundCall {
  readonly execution_id: string;
  readonly attempt: number;
  readonly dispatch: number;
  /** The step the engine named, else the call's number within its attempt ("1", "2", …). */
  readonly step?: string;
  /** The connection the call went through; null for a plain address. */
  readonly connection: string | null;
  readonly protocol: "http";
  readonly method: string;
  /** Host and, when it is not the scheme's own, the port. Never userinfo. Empty if unreadable. */
  readonly host: string;
  /** Path without the query: query values may be secrets. */
  readonly path: string;
  /** The answer's status; null when there was none. */
  readonly status: number | null;
  /** Code of the error the call ended with (`connection_failed`, `outbound_refused`, …); null if none. */
  readonly error_code: string | null;
  /** RFC 3339, UTC. */
  readonly started_at: string;
  readonly duration_ms: number;
  /** Bytes written to and read from the connection, headers included (without TLS framing). */
  readonly bytes_sent: number;
  readonly bytes_received: number;
  /** 1 for the first try of this call within its attempt. */
  readonly try: number;
  readonly idempotency_key: string | null;
}

/** Takes the record of each call. It must return at once; what it throws is ignored. */
export interface CallLog {
  record(call: OutboundCall): void;
}

/** Turns a host name into addresses. Rejects when the name has none. */
export interface Resolver {
  resolve(hostname: string): Promise<readonly string[]>;
}
