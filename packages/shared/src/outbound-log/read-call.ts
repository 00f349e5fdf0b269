import type pg from "pg";
import type { CallerRef } from "../executions/row.ts";
import { callJson } from "./call-json.ts";
import type { NotResendable } from "./seal-resend.ts";

/** A call, and what it takes to send it again. */
export interface FoundCall {
  /** The call as JSON text, with its bodies. */
  json: string;
  connection: string | null;
  purpose: string;
  /** The sealed request; see resendContext. */
  resend: string | null;
  not_resendable: NotResendable | null;
}

/** One call of the caller's (tl-plane: of anybody's); null where there is none. @throws what Postgres says */
export async function readCall(
  pool: pg.Pool,
  caller: CallerRef,
  id: string,
): Promise<FoundCall | null> {
  const { rows } = await pool.query<FoundCall>({
    name: "read-outbound-call",
    text: `SELECT ${callJson({ bodies: true })}::text AS json, c.connection, c.purpose, c.resend, c.not_resendable
      FROM outbound_calls c WHERE c.call_id = $1::uuid AND ($2::text IS NULL OR c.caller_id = $2)`,
    values: [id, caller.kind === "plane" ? null : caller.id],
  });
  return rows[0] ?? null;
}
