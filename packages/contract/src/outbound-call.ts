import { z } from "zod";

const timestamp = z.string().meta({ format: "date-time" });
const ms = z.number().nullable();
const headers = z.record(z.string(), z.string()).nullable();

/** Protocols that calls to the outside speak. */
export const outboundProtocols = ["http", "grpc", "websocket", "smtp"] as const;

/** Why a call was made: by the engine, for a token that its call needs, or to tell a caller of an execution's end. */
export const outboundPurposes = ["engine", "token", "callback"] as const;

/**
 * One try of one call to the outside: each redirect and each retry is one of its own. Query values, credentials and
 * userinfo are never in it.
 */
export const outboundCallSchema = z
  .object({
    id: z
      .string()
      .nullable()
      .meta({ format: "uuid", description: "null: made by an older release" }),
    execution_id: z.string().nullable().meta({ format: "uuid", description: "null: none's own" }),
    engine: z.string().nullable(),
    attempt: z.int(),
    dispatch: z.int(),
    step: z.string().nullable().meta({ description: "As the engine named it, or its number" }),
    purpose: z.enum(outboundPurposes),
    protocol: z.string(),
    connection: z.string().nullable(),
    method: z.string(),
    host: z.string(),
    path: z.string(),
    status: z.int().nullable(),
    error_code: z.string().nullable(),
    started_at: timestamp,
    duration_ms: z.number(),
    dns_ms: ms.meta({ description: "null: did not take place, as on a kept connection" }),
    connect_ms: ms,
    tls_ms: ms,
    first_byte_ms: ms,
    bytes_sent: z.int(),
    bytes_received: z.int(),
    try: z.int().meta({ description: "1 for the first try within its attempt" }),
    breaker_state: z.enum(["closed", "half_open", "open"]).nullable(),
    idempotency_key: z.string().nullable(),
    request_headers: headers,
    response_headers: headers,
    resendable: z.boolean(),
    resend_of: z.string().nullable().meta({ format: "uuid", description: "The call sent again" }),
  })
  .meta({ id: "OutboundCall" });
export type OutboundCall = z.infer<typeof outboundCallSchema>;

/** A call by its own address: with its bodies, where its connection keeps them. */
export const outboundCallDetailSchema = outboundCallSchema
  .extend({ request_body: z.string().nullable(), response_body: z.string().nullable() })
  .meta({ id: "OutboundCallDetail" });
export type OutboundCallDetail = z.infer<typeof outboundCallDetailSchema>;

/** A page may be short, or empty, and still have a next one: it ends where enough was looked at. */
export const outboundCallListSchema = z
  .object({ calls: z.array(outboundCallSchema), next_cursor: z.string().nullable() })
  .meta({ id: "OutboundCallList" });
