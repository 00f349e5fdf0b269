import { scrubText } from "../log/scrub-text.ts";
import { keptBody, keptLine, keptLineOrNull, keptMs, keptWhole } from "./kept-text.ts";
import { sealResend, type NotResendable, type SealResend } from "./seal-resend.ts";
import { shownHeaders } from "./shown-headers.ts";
import { callPurposes, type CallPurpose, type ToldCall } from "./told-call.ts";

/** Whose call it was. */
export interface Whose {
  readonly callerId: string | null;
  readonly engineId: string | null;
}

/** A row of `outbound_calls`. */
export interface CallRow {
  call_id: string;
  caller_id: string | null;
  engine_id: string | null;
  execution_id: string;
  attempt: number;
  dispatch: number;
  step: string | null;
  connection: string | null;
  protocol: string;
  purpose: CallPurpose;
  method: string;
  host: string;
  path: string;
  status: number | null;
  error_code: string | null;
  started_at: string;
  duration_ms: number;
  dns_ms: number | null;
  connect_ms: number | null;
  tls_ms: number | null;
  first_byte_ms: number | null;
  bytes_sent: number;
  bytes_received: number;
  try: number;
  breaker_state: string | null;
  idempotency_key: string | null;
  request_headers: Record<string, string> | null;
  response_headers: Record<string, string> | null;
  request_body: string | null;
  response_body: string | null;
  resend: string | null;
  not_resendable: NotResendable | null;
}

/** Stands for no execution: a token that was fetched for many, a test of an endpoint. */
export const noExecution = "00000000-0000-0000-0000-000000000000";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const word = /^[a-z][a-z0-9_]{0,39}$/;
const maxInt = 2 ** 31 - 1;
const maxBody = 256 * 1024;
const breakerStates: readonly unknown[] = ["closed", "half_open", "open"];
/** A call that began longer ago than that, or later than now, has a time that cannot be, ms. */
const longestCallMs = 30 * 86_400_000;

export interface CallRowOptions {
  whose: Whose | null;
  /** Postgres' time, ms. */
  now: number;
  newId(startedAtMs: number): string;
  seal: SealResend | null;
}

/**
 * Makes the row of a call. What a host tells is not relied on: whatever its members are, the row is one that Postgres
 * takes, of bounded size, without a query and without userinfo.
 */
export function toCallRow(call: ToldCall, { whose, now, newId, seal }: CallRowOptions): CallRow {
  // A call is put where it belongs among the record's times, whatever this machine's clock says.
  const told = Date.parse(call.started_at) + now - Date.now();
  const startedAt = told > now - longestCallMs && told <= now + 1_000 ? told : now;
  const callId = newId(startedAt);
  const purpose = callPurposes.find((known) => known === call.purpose) ?? "engine";
  return {
    call_id: callId,
    caller_id: whose?.callerId ?? null,
    engine_id: whose?.engineId ?? null,
    execution_id: uuid.test(call.execution_id) ? call.execution_id : noExecution,
    attempt: keptWhole(call.attempt, 0, maxInt, 0),
    dispatch: keptWhole(call.dispatch, 0, maxInt, 0),
    step: keptLineOrNull(call.step, 100),
    connection: keptLineOrNull(call.connection, 64),
    protocol: wordOr(call.protocol, "unknown"),
    purpose,
    method: keptLine(call.method, 32),
    host: hostOf(call.host),
    path: pathOf(call.path),
    status: keptWhole(call.status, -maxInt, maxInt, null),
    error_code: typeof call.error_code === "string" ? wordOr(call.error_code, "error") : null,
    started_at: new Date(startedAt).toISOString(),
    duration_ms: keptMs(call.duration_ms, 0),
    dns_ms: keptMs(call.dns_ms, null),
    connect_ms: keptMs(call.connect_ms, null),
    tls_ms: keptMs(call.tls_ms, null),
    first_byte_ms: keptMs(call.first_byte_ms, null),
    bytes_sent: keptWhole(call.bytes_sent, 0, Number.MAX_SAFE_INTEGER, 0),
    bytes_received: keptWhole(call.bytes_received, 0, Number.MAX_SAFE_INTEGER, 0),
    try: keptWhole(call.try, 1, maxInt, 1),
    breaker_state: breakerStates.includes(call.breaker_state) ? call.breaker_state : null,
    idempotency_key: keptLineOrNull(call.idempotency_key, 255),
    request_headers: shownHeaders(call.request_headers),
    response_headers: shownHeaders(call.response_headers),
    request_body: keptBody(call.request_body, maxBody),
    response_body: keptBody(call.response_body, maxBody),
    ...sealResend(call, purpose, callId, seal),
  };
}

function wordOr(value: unknown, otherwise: string): string {
  return typeof value === "string" && word.test(value) ? value : otherwise;
}

/** A host and its port alone. */
function hostOf(value: unknown): string {
  const [authority = ""] = keptLine(value, 1_000).split(/[/?#]/, 1);
  return authority.slice(authority.lastIndexOf("@") + 1).slice(0, 300);
}

/** A path without its query. */
function pathOf(value: unknown): string {
  const [path = ""] = keptLine(value, 2_048).split(/[?#]/, 1);
  return scrubText(path, 2_048);
}
