import type { OutboundCall, OutboundCallDetail } from "@tl-engine/client";
import { formatTable, type Cell } from "./table.ts";
import { printable, printableJson, type Style, type Terminal } from "./terminal.ts";

/** Whether a call failed, as the API's `result` has it. */
function hasFailed({ error_code, protocol, status }: OutboundCall): boolean {
  return error_code !== null || (protocol === "http" && (status ?? 0) >= 400);
}

const styleOf = (call: OutboundCall): Style => (hasFailed(call) ? "red" : "green");

/** Calls as a table. */
export function showCalls(calls: readonly OutboundCall[], { paint }: Terminal): string {
  if (calls.length === 0) return "There are none.";
  const head = [
    "ID",
    "TIME",
    "CONNECTION",
    "METHOD",
    "HOST AND PATH",
    "STATUS",
    "MS",
    "TRY",
    "ERROR",
  ];
  return formatTable([
    head.map((text): Cell => ({ text, paint: (t) => paint("dim", t) })),
    ...calls.map((call): Cell[] => [
      call.id ?? "-",
      call.started_at,
      call.connection ?? "-",
      call.method,
      `${call.host}${call.path}`,
      { text: String(call.status ?? "-"), paint: (t) => paint(styleOf(call), t) },
      `${Math.round(call.duration_ms)}${splitOf(call)}`,
      String(call.try),
      call.error_code ?? "",
    ]),
  ]);
}

/** Where a call's time went, as far as it is known: `(dns 1, connect 2, tls 3, first byte 40)`. */
function splitOf(call: OutboundCall): string {
  const parts = [
    ["dns", call.dns_ms],
    ["connect", call.connect_ms],
    ["tls", call.tls_ms],
    ["first byte", call.first_byte_ms],
  ] as const;
  const known = parts.flatMap(([name, ms]) => (ms === null ? [] : [`${name} ${Math.round(ms)}`]));
  return known.length === 0 ? "" : ` (${known.join(", ")})`;
}

/** A call for the eye: a line that names it, its facts, its headers and bodies. */
export function showCall(call: OutboundCallDetail, { paint }: Terminal): string {
  const result = call.error_code ?? String(call.status ?? "-");
  const lines = [
    [
      call.id ?? "-",
      printable(`${call.method} ${call.host}${call.path}`),
      paint(styleOf(call), printable(result)),
    ].join("  "),
  ];
  const facts: [string, string | null][] = [
    ["started", call.started_at],
    ["took", `${Math.round(call.duration_ms)} ms${splitOf(call)}`],
    ["execution", call.execution_id],
    ["engine", call.engine],
    ["attempt", `${call.attempt}, step ${call.step ?? "-"}, try ${call.try}`],
    ["purpose", call.purpose === "engine" ? null : call.purpose],
    ["protocol", call.protocol],
    ["through", call.connection],
    ["circuit", call.breaker_state],
    ["bytes", `${call.bytes_sent} sent, ${call.bytes_received} received`],
    ["idem. key", call.idempotency_key],
    ["resend of", call.resend_of],
    ["resend", call.resendable ? `tl calls resend ${call.id ?? ""}` : null],
  ];
  for (const [name, value] of facts) {
    if (value !== null) lines.push(`${paint("dim", name.padEnd(9))} ${printable(value)}`);
  }
  const parts: [string, string | null][] = [
    ["request headers", call.request_headers && printableJson(call.request_headers)],
    ["request body", call.request_body && printable(call.request_body)],
    ["response headers", call.response_headers && printableJson(call.response_headers)],
    ["response body", call.response_body && printable(call.response_body)],
  ];
  for (const [name, text] of parts) if (text !== null) lines.push(`${name}:`, text);
  return lines.join("\n");
}
