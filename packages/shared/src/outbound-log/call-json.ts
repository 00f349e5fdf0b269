import { noExecution } from "./call-row.ts";

/** An execution that sends a call again carries a tag of this and the call's id. */
export const resendTag = "resend_of:";

const resendTagPattern = `^${resendTag}[0-9a-f-]{36}$`;

/** Which call the execution with these tags sends again; null where it is none. */
const resendOf = (tags: string): string =>
  `(SELECT substr(t, ${resendTag.length + 1}) FROM unnest(${tags}) AS t WHERE t ~ '${resendTagPattern}' LIMIT 1)`;

const resendOfExecution = `(SELECT ${resendOf("e.tags")} FROM executions e WHERE e.id = c.execution_id)`;

export interface CallJsonOptions {
  /** The bodies are there too, where they are kept. */
  bodies: boolean;
  /** SQL of the tags of the call's execution, where they are at hand. */
  tags?: string;
}

/** The JSON of a row of `outbound_calls c`, as the contract's `outboundCallSchema` has it: the only place that makes it. */
export function callJson({ bodies, tags }: CallJsonOptions): string {
  const members: [name: string, sql: string][] = [
    ["id", "c.call_id"],
    ["execution_id", `nullif(c.execution_id, '${noExecution}')`],
    ["engine", "c.engine_id"],
    ["attempt", "c.attempt"],
    ["dispatch", "c.dispatch"],
    ["step", "c.step"],
    ["purpose", "c.purpose"],
    ["protocol", "c.protocol"],
    ["connection", "c.connection"],
    ["method", "c.method"],
    ["host", "c.host"],
    ["path", "c.path"],
    ["status", "c.status"],
    ["error_code", "c.error_code"],
    ["started_at", `to_char(c.started_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`],
    ["duration_ms", "c.duration_ms"],
    ["dns_ms", "c.dns_ms"],
    ["connect_ms", "c.connect_ms"],
    ["tls_ms", "c.tls_ms"],
    ["first_byte_ms", "c.first_byte_ms"],
    ["bytes_sent", "c.bytes_sent"],
    ["bytes_received", "c.bytes_received"],
    ["try", "c.try"],
    ["breaker_state", "c.breaker_state"],
    ["idempotency_key", "c.idempotency_key"],
    ["request_headers", "c.request_headers"],
    ["response_headers", "c.response_headers"],
    ["resendable", "c.resend IS NOT NULL"],
    ["resend_of", tags === undefined ? resendOfExecution : resendOf(tags)],
  ];
  if (bodies) {
    members.push(["request_body", "c.request_body"], ["response_body", "c.response_body"]);
  }
  return `json_build_object(${members.map(([name, sql]) => `'${name}', ${sql}`).join(", ")})`;
}

/** An execution with more calls shows the latest of them; the list has all. */
const mostOfExecution = 200;

/** SQL of a JSON array with the calls of `executions e`, as text. */
export const callsOfExecution = `(SELECT coalesce(json_agg(${callJson({ bodies: false, tags: "e.tags" })} ORDER BY c.id), '[]')::text
  FROM (SELECT * FROM outbound_calls WHERE execution_id = e.id ORDER BY id DESC LIMIT ${mostOfExecution}) AS c)`;
