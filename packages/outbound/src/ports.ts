/**
 * What this package asks of the process it runs in. Nothing here knows a database or a queue: the
 * worker's host implements these ports, tests implement them with arrays.
 */

/** Protocols that the door speaks. */
export type Protocol = "http" | "grpc" | "websocket" | "smtp";

/** One try of one call to the outside: a row of the outbound log. Each redirect hop and each retry is a row of its own. */
export interface OutboundCall {
  readonly execution_id: string;
  readonly attempt: number;
  readonly dispatch: number;
  /** The step the engine named, else the call's number within its attempt ("1", "2", …). */
  readonly step?: string;
  /** Id of the connection the call went through; null for a plain address. */
  readonly connection: string | null;
  readonly protocol: Protocol;
  /** What made it: the engine, or the door itself, which fetched a token for the engine's call. */
  readonly purpose: "engine" | "token";
  /** HTTP's method; `package.Service/Method` is in `path` for gRPC, whose method is POST; `CONNECT` and `SEND` elsewhere. */
  readonly method: string;
  /** Host and, when it is not the scheme's own, the port. Never userinfo. Empty if unreadable. */
  readonly host: string;
  /** Path without the query: query values may be secrets. */
  readonly path: string;
  /** The answer's status (gRPC: its code; WebSocket: the close code); null when there was none. */
  readonly status: number | null;
  /** Code of the error the call ended with (`connection_failed`, `outbound_refused`, …); null if none. */
  readonly error_code: string | null;
  /** RFC 3339, UTC. */
  readonly started_at: string;
  readonly duration_ms: number;
  /** Parts of the duration; null where the part did not take place (a kept connection) or was not reached. */
  readonly dns_ms: number | null;
  readonly connect_ms: number | null;
  readonly tls_ms: number | null;
  /** From the first byte written to the first byte of the answer. */
  readonly first_byte_ms: number | null;
  /** Bytes written to and read from the connection, headers included (without TLS framing). */
  readonly bytes_sent: number;
  readonly bytes_received: number;
  /** 1 for the first try of this call within its attempt. */
  readonly try: number;
  /** The circuit's state when the call was let through, or that it was not (`open`); null without a connection. */
  readonly breaker_state: "closed" | "half_open" | "open" | null;
  readonly idempotency_key: string | null;
  /** Headers with every value of a credential replaced; null where the call has none to show. */
  readonly request_headers: Readonly<Record<string, string>> | null;
  readonly response_headers: Readonly<Record<string, string>> | null;
  /** Bodies, only where the connection's `log.bodies` says so; capped and redacted. */
  readonly request_body: string | null;
  readonly response_body: string | null;
  /**
   * What it takes to send the call once more, only where the connection's `log.bodies` says so and nothing of it was
   * cut. It is kept encrypted, and never shown.
   */
  readonly resend: ResendableRequest | null;
}

/** A request as the engine gave it: without what the connection adds to it. */
export interface ResendableRequest {
  readonly method: string;
  /** Path with its query, or the whole address for a call without a connection. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body_base64: string | null;
}

/** Takes the record of each call. It must return at once; what it throws is ignored. */
export interface CallLog {
  record(call: OutboundCall): void;
}

/** Turns a host name into addresses. Rejects when the name has none. */
export interface Resolver {
  resolve(hostname: string): Promise<readonly string[]>;
}

/**
 * A configured way to reach an outside system, as the door works with it. It holds secrets: it is never logged, never
 * sent back, and lives in memory only.
 */
export interface Connection {
  readonly id: string;
  readonly kind: Protocol;
  /** Grows with every change, so that what was derived from an older one (pools, tokens) is let go. */
  readonly revision: number;
  /** `https://api.example.com/v2`, `wss://…`, `grpcs://host:port`, `smtps://host:port`; never userinfo or a query. */
  readonly baseUrl: string;
  /** Sent with every request; lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: ConnectionAuth;
  readonly tls: ConnectionTls;
  /** ms. `firstByte` and `total` bound one try. */
  readonly timeouts: {
    readonly connectMs: number;
    readonly firstByteMs: number;
    readonly totalMs: number;
  };
  readonly retry: RetryPolicy;
  /** Upper-case methods that may be used; null: all. */
  readonly methods: readonly string[] | null;
  /** Path patterns below the base URL, `*` within a segment, `**` over segments; null: all. */
  readonly paths: readonly string[] | null;
  /** Calls at once over all workers; null: no bound. */
  readonly concurrency: number | null;
  /** Calls over all workers; null: no bound. */
  readonly rate: { readonly limit: number; readonly perMs: number } | null;
  readonly breaker: BreakerPolicy | null;
  readonly log: {
    readonly bodies: boolean;
    readonly maxBodyBytes: number;
    /** Paths are secrets here, as those of chat webhooks: neither the log nor an error shows them. */
    readonly hidePaths?: boolean;
  };
}

export interface RetryPolicy {
  /** Tries after the first one, within one attempt. 0 turns them off. */
  readonly maxRetries: number;
  readonly initialMs: number;
  readonly maxMs: number;
  /** A longer Retry-After parks the execution instead of holding its slot. */
  readonly maxRetryAfterMs: number;
}

/** When a circuit opens: at least `failures` failed calls within `windowMs`, and at least `ratio` of those made. */
export interface BreakerPolicy {
  readonly failures: number;
  /** 0 < ratio ≤ 1. */
  readonly ratio: number;
  readonly windowMs: number;
  /** How long it stays open before a probe; doubles with each probe that fails, up to `maxOpenMs`. */
  readonly openMs: number;
  readonly maxOpenMs: number;
}

export type ConnectionAuth =
  | { readonly type: "none" }
  | {
      readonly type: "api_key";
      readonly in: "header" | "query";
      readonly name: string;
      readonly value: string;
    }
  | { readonly type: "bearer"; readonly token: string }
  | { readonly type: "basic"; readonly username: string; readonly password: string }
  | ({ readonly type: "oauth2_client_credentials" } & OAuthClient)
  | ({ readonly type: "oauth2_refresh_token"; readonly refreshToken: string } & OAuthClient)
  | {
      readonly type: "hmac";
      /**
       * `standard_webhooks`: webhook-id, webhook-timestamp, webhook-signature; secrets are `whsec_…`.
       * `sha256`: hex HMAC-SHA-256 of the body in `header`, after `prefix`, as GitHub and many others do it.
       */
      readonly scheme: "standard_webhooks" | "sha256";
      /** `standard_webhooks`: each signs, so that receivers can change over. `sha256`: the first alone, as its header holds one. */
      readonly secrets: readonly string[];
      readonly header: string;
      readonly prefix: string;
    };

export interface OAuthClient {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientAuth: "basic" | "post" | "private_key_jwt";
  /** For `basic` and `post`. */
  readonly clientSecret: string | null;
  /** PKCS #8 in PEM, for `private_key_jwt` (RFC 7523), with its key id and algorithm. */
  readonly privateKey: string | null;
  readonly keyId: string | null;
  readonly algorithm: string | null;
  readonly scope: string | null;
  readonly audience: string | null;
}

export interface ConnectionTls {
  /** Authorities in PEM that replace the system's for this connection; null: the system's. Always checked. */
  readonly ca: string | null;
  /** PEM, for mutual TLS. */
  readonly certificate: string | null;
  readonly privateKey: string | null;
}

/** Finds connections for one execution, whose engine and caller are known to it. */
export interface ConnectionSource {
  /**
   * @throws OutboundRefusedError where there is none of that id and kind, it is off, or this engine or caller may not
   *   use it: one text for all of these
   */
  connection(id: string, kind: Protocol): Connection | Promise<Connection>;
}

/** Lets calls through a connection: its circuit, its concurrency and its rate are one over all workers. */
export interface Admission {
  /**
   * Asked before each try. Waits for a place below the connection's concurrency and rate.
   * @throws ParkedError while its circuit is open, or its rate is spent for longer than is worth holding a slot
   */
  enter(connection: Connection, signal: AbortSignal): Admitted | Promise<Admitted>;
}

/** A call that was let through. */
export interface Admitted {
  readonly breakerState: "closed" | "half_open";
  /**
   * Said exactly once. `failure`: no connection, a timeout, or a 5xx; `ignored`: it says nothing of the other side
   * (refused here, aborted).
   */
  leave(outcome: "success" | "failure" | "ignored"): void;
}

/** Access tokens, fetched once for all workers. */
export interface TokenSource {
  /**
   * A token for the connection's OAuth client.
   * @param stale the token that was just refused with 401: it is never given again
   */
  token(connection: Connection, stale: string | null, signal: AbortSignal): Promise<string>;
}

/** All that the door asks of the process it runs in, for one execution. */
export interface DoorPorts {
  readonly callLog: CallLog;
  readonly connections: ConnectionSource;
  readonly admission: Admission;
  readonly tokens: TokenSource;
}
