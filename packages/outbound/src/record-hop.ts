import { type AuthorizedRequest } from "./auth/authorize.ts";
import { OutboundError, ParkedError } from "./errors.ts";
import { type CallOfTry } from "./call-of-try.ts";
import { type OutboundCall, type ResendableRequest } from "./ports.ts";
import { recordCall } from "./record-call.ts";
import { type Hop } from "./redirect.ts";
import { type Traffic } from "./send-hop.ts";
import { shownBody } from "./shown-body.ts";
import { shownHeaders } from "./shown-headers.ts";
import { shownPath } from "./shown-path.ts";

/** What is known of a hop, also when it ends in an error. */
export interface HopRecord extends Traffic {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly from: number;
  status: number | null;
  headers: Readonly<Record<string, string>>;
  firstByteMs: number | null;
}

export function newHopRecord(): HopRecord {
  return {
    startedAt: Date.now(),
    from: performance.now(),
    status: null,
    headers: {},
    sent: 0,
    received: 0,
    sending: false,
    dnsMs: null,
    connectMs: null,
    tlsMs: null,
    firstByteMs: null,
  };
}

export interface HopFacts {
  readonly call: CallOfTry;
  readonly hop: Hop;
  readonly record: HopRecord;
  readonly authorized: AuthorizedRequest | null;
  readonly breakerState: OutboundCall["breaker_state"];
  /** Of the try. */
  readonly number: number;
  /** What it ended with; null: an answer. */
  readonly error: unknown;
  /** The answer's, decoded; null: none. */
  readonly body: Uint8Array | null;
  /** Whether it is the request as the engine gave it, rather than one that a redirect made. */
  readonly first: boolean;
}

/** Writes one hop of one try into the outbound log. */
export function recordHop(facts: HopFacts): void {
  const { call, hop, record, authorized, error } = facts;
  const connection = call.route?.connection ?? null;
  const { url } = hop.target;
  const { headers } = authorized?.request ?? hop.request;
  const circuitOpen = error instanceof ParkedError && error.park.reason === "circuit_open";
  const bodies =
    connection?.log.bodies === true ? bodiesOf(facts, connection.log.maxBodyBytes) : null;
  recordCall(call.scope, call.step, {
    connection: connection?.id ?? null,
    method: hop.request.method,
    host: url.host,
    path: shownPath(url, hop.hidesPath, 2048),
    status: record.status,
    error_code: error === null ? null : error instanceof OutboundError ? error.code : "aborted",
    started_at: new Date(record.startedAt).toISOString(),
    duration_ms: Math.round(performance.now() - record.from),
    dns_ms: rounded(record.dnsMs),
    connect_ms: rounded(record.connectMs),
    tls_ms: rounded(record.tlsMs),
    first_byte_ms: rounded(record.firstByteMs),
    bytes_sent: record.sent,
    bytes_received: record.received,
    try: facts.number,
    breaker_state: circuitOpen ? "open" : facts.breakerState,
    idempotency_key: hop.request.headers["idempotency-key"] ?? null,
    request_headers: shownHeaders(headers, authorized?.credentialHeaders ?? null),
    response_headers: record.status === null ? null : shownHeaders(record.headers, null),
    request_body: bodies?.request ?? null,
    response_body: bodies?.response ?? null,
    resend: bodies?.resend ?? null,
  });
}

/** null where they cannot be shown: the call has been made, and a log that fails never fails it. */
function bodiesOf(facts: HopFacts, cap: number) {
  try {
    return bodiesWithin(facts, cap);
  } catch {
    return null;
  }
}

function bodiesWithin(facts: HopFacts, cap: number) {
  const { hop, record, body, authorized } = facts;
  const secrets = secretsOf(authorized);
  const { request } = hop;
  return {
    request: shownBody({
      body: request.body,
      contentType: request.headers["content-type"],
      cap,
      secrets,
    }),
    response: shownBody({ body, contentType: record.headers["content-type"], cap, secrets }),
    resend: facts.first ? resendable(facts, cap) : null,
  };
}

/** The request as the engine gave it; null where its body is longer than what may be kept. */
function resendable({ call, hop }: HopFacts, cap: number): ResendableRequest | null {
  const { body } = hop.request;
  const bytes = body === null ? null : Buffer.from(body as string);
  if (call.route === null || (bytes !== null && bytes.length > cap)) return null;
  const headers = { ...call.options.headers };
  // The other side knows a repetition by the key that the engine gave. One that the door made is its execution's own.
  const key = call.options.idempotencyKey;
  if (key !== undefined) headers["idempotency-key"] = key;
  // A JSON body does not say by itself that it is one.
  if (bytes !== null && !Object.keys(headers).some((name) => name.toLowerCase() === "content-type"))
    headers["content-type"] = hop.request.headers["content-type"] ?? "";
  return {
    method: hop.request.method,
    url: call.route.urls.relative(hop.target),
    headers,
    body_base64: bytes?.toString("base64") ?? null,
  };
}

/**
 * The values of the credentials that were sent, and the last word of each, such as a token after `Bearer`; of those in the
 * query also as they are written there, since many a server repeats the address in its answer.
 */
function secretsOf(authorized: AuthorizedRequest | null): string[] {
  if (authorized === null) return [];
  const { request, credentialHeaders, credentialQuery } = authorized;
  const values = [...credentialHeaders].map((name) => request.headers[name] ?? "");
  if (credentialQuery.size > 0) values.push(...queryValues(request.path, credentialQuery));
  return [...new Set(values.flatMap((value) => [value, value.split(" ").at(-1) ?? ""]))];
}

/** As they are, and in both ways to write them into an address. */
function queryValues(path: string, names: ReadonlySet<string>): string[] {
  // A question mark within the query is one of its characters.
  const at = path.indexOf("?");
  const query = new URLSearchParams(at < 0 ? "" : path.slice(at + 1));
  return [...names].flatMap((name) => {
    const value = query.get(name) ?? "";
    const asForm = new URLSearchParams({ a: value }).toString().slice(2);
    return [value, asForm, encodeURIComponent(value)];
  });
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}
