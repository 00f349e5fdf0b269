import { z } from "zod";
import { tombstoneSchema } from "./tombstone.ts";

/** Every problem that the API answers with: code → HTTP status and title. */
export const problems = {
  malformed_request: { status: 400, title: "The request is malformed" },
  unauthorized: { status: 401, title: "A valid credential is required" },
  forbidden: { status: 403, title: "The credential does not allow this" },
  not_found: { status: 404, title: "There is nothing at this address" },
  engine_not_found: { status: 404, title: "There is no such engine" },
  execution_not_found: { status: 404, title: "There is no such execution" },
  key_not_found: { status: 404, title: "There is no such key" },
  call_not_found: { status: 404, title: "There is no such outbound call" },
  connection_not_found: { status: 404, title: "There is no such connection" },
  webhook_endpoint_not_found: { status: 404, title: "There is no such webhook endpoint" },
  callback_not_found: { status: 404, title: "There is no such callback" },
  method_not_allowed: { status: 405, title: "The method is not allowed here" },
  idempotency_in_progress: { status: 409, title: "The first request with this key is in progress" },
  execution_finished: { status: 409, title: "The execution is finished" },
  engine_exists: { status: 409, title: "There is an engine with this id" },
  engine_in_use: { status: 409, title: "Unfinished executions hold the engine" },
  engine_inactive: { status: 409, title: "The engine takes nothing new" },
  key_revoked: { status: 409, title: "The key is revoked" },
  not_resendable: { status: 409, title: "The call cannot be sent again" },
  connection_exists: { status: 409, title: "There is a connection with this id" },
  webhook_endpoint_disabled: { status: 409, title: "The webhook endpoint is switched off" },
  execution_purged: { status: 410, title: "The execution's record has been removed" },
  payload_too_large: { status: 413, title: "The body is too large" },
  unsupported_media_type: { status: 415, title: "The media type or coding is not supported" },
  invalid_input: { status: 422, title: "The request is not valid" },
  idempotency_mismatch: { status: 422, title: "The idempotency key belongs to another request" },
  rate_limited: { status: 429, title: "The rate limit is spent" },
  internal_error: { status: 500, title: "Something went wrong on our side" },
  unavailable: { status: 503, title: "The service is not available at the moment" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** One wrong member of a request; `pointer` is an RFC 6901 JSON Pointer into the body. */
export const problemErrorSchema = z.object({
  pointer: z.string().meta({ example: "/input/url" }),
  detail: z.string(),
});
export type ProblemError = z.infer<typeof problemErrorSchema>;

/** An RFC 9457 problem, the body of every refusal. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: "A stable address with a page in the docs" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]),
    request_id: z.string(),
    errors: z.array(problemErrorSchema).optional(),
    limit_bytes: z.int().optional(),
    tombstone: tombstoneSchema.optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof problemSchema>;

/** The stable `type` of a problem: its section in the error catalogue. */
export function problemType(code: ProblemCode): string {
  return `https://tl-engine.dev/docs/errors#${code}`;
}
