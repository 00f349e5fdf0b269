import { z } from "zod";
import { durationSchema, parseDuration } from "./duration.ts";
import { engineIdPattern } from "./scopes.ts";

/** Ids that are paths of the API. */
export const reservedEngineIds: readonly string[] = ["execute", "status", "metrics"];

const day = 86_400_000;

/** A duration from 1 ms up to a highest one. */
function boundedDuration(maxDays: number) {
  return durationSchema.refine(
    (text) => {
      const ms = parseDuration(text);
      return ms === null || (ms >= 1 && ms <= maxDays * day);
    },
    { error: `must be from 1ms up to ${maxDays}d` },
  );
}

const someTime = durationSchema.refine((text) => parseDuration(text) !== 0, {
  error: "must be from 1ms",
});
const timeout = boundedDuration(7);
const ttl = boundedDuration(30);
const attempts = z.int().min(1).max(100);

/** A default and a ceiling for what callers may ask for, or the default alone. */
function limited<T extends z.ZodType>(value: T) {
  return z.union([value, z.strictObject({ default: value.optional(), max: value.optional() })]);
}

/** What a remote engine allows and defaults to, in the words of `defaults` in its description. */
export const remotePolicySchema = z
  .strictObject({
    timeout: limited(timeout).optional(),
    ttl: limited(ttl).optional(),
    max_attempts: limited(attempts).optional(),
    backoff: z
      .strictObject({
        initial: someTime.optional(),
        factor: z.number().min(1).max(100).optional(),
        max: someTime.optional(),
      })
      .optional(),
    concurrency: z.int().min(1).max(2_147_483_647).nullable().optional(),
  })
  .meta({ id: "RemoteEnginePolicy" });
export type RemotePolicy = z.infer<typeof remotePolicySchema>;

/** Below the connection's base URL; a query is allowed, a way up or to another host is not. */
const pathPattern = /^\/([!-.0-~][!-~]{0,1998})?$/;
const path = z
  .string()
  .regex(pathPattern, "must begin with one / and have visible ASCII characters only")
  .refine((text) => !/[#\\]/.test(text), { error: "must have no # and no \\" })
  .refine((text) => !/(^|\/)(\.|%2e){1,2}(\/|\?|$)/i.test(text), {
    error: "must have no . or .. among its segments",
  });

const jsonSchema = z.record(z.string(), z.unknown()).meta({
  description: "JSON Schema 2020-12, without references to other documents; at most 256 KiB",
});

const changeable = {
  title: z.string().min(1).max(200).optional(),
  description: z.string().max(10_000).nullable().optional(),
  example: z.unknown().optional().meta({ description: "An input that works; shown to callers" }),
  connection: z
    .string()
    .regex(engineIdPattern, "must be a connection's id")
    .meta({ description: "The connection, of kind http, by which the service is called" }),
  method: z.enum(["POST", "PUT", "PATCH"]).optional().meta({ description: "Default POST" }),
  path: path
    .optional()
    .meta({ description: "Below the connection's base URL. Default /", example: "/run" }),
  policy: remotePolicySchema.optional(),
  is_active: z.boolean().optional().meta({
    description: "false: nothing new is taken; what was accepted before is still done",
  }),
};

/** The body of POST /api/v1/engines. */
export const registerEngineSchema = z
  .strictObject({
    id: z
      .string()
      .regex(
        engineIdPattern,
        "must be 1 to 64 of a–z, 0–9, ., _ and -, beginning with a letter or digit",
      )
      .refine((id) => !reservedEngineIds.includes(id), {
        error: "is a path of the API; choose another",
      }),
    version: z.int().min(1).max(999_999_999),
    input_schema: jsonSchema,
    output_schema: jsonSchema,
    ...changeable,
  })
  .meta({ id: "RegisterEngine" });
export type RegisterEngine = z.infer<typeof registerEngineSchema>;

/**
 * The body of PATCH /api/v1/engines/{engine_id}. Schemas may be said again, so that a whole definition can be sent; they
 * do not change.
 */
export const changeEngineSchema = z
  .strictObject({
    ...changeable,
    connection: changeable.connection.optional(),
    input_schema: jsonSchema.optional(),
    output_schema: jsonSchema.optional(),
  })
  .meta({ id: "ChangeEngine" });
export type ChangeEngine = z.infer<typeof changeEngineSchema>;

/** How a remote engine is reached; shown to tl-plane alone. */
export const remoteEngineSchema = z
  .object({
    connection: z.string(),
    method: z.string(),
    path: z.string(),
    is_active: z.boolean(),
    revision: z.int(),
  })
  .meta({ id: "RemoteEngine" });
export type RemoteEngine = z.infer<typeof remoteEngineSchema>;

/** Codes of an error that a service may say; any other failure is for the platform to say. */
export const completionErrorCodes = [
  "engine_error",
  "input_invalid",
  "connection_failed",
  "upstream_error",
] as const;

const members = ["output", "error", "progress"] as const;

/** The body of POST /api/v1/executions/{execution_id}/complete. */
export const completeSchema = z
  .strictObject({
    output: z.unknown().optional().meta({ description: "Checked by the engine's output schema" }),
    error: z
      .strictObject({
        detail: z.string().min(1).max(4_096),
        code: z.enum(completionErrorCodes).optional().meta({ description: "Default engine_error" }),
        retryable: z
          .boolean()
          .optional()
          .meta({ description: "Whether another attempt may succeed. Default true" }),
      })
      .optional(),
    progress: z
      .strictObject({
        fraction: z.number().min(0).max(1),
        message: z.string().max(500).nullable().optional(),
      })
      .optional(),
  })
  .check((body) => {
    if (members.filter((name) => Object.hasOwn(body.value, name)).length === 1) return;
    body.issues.push({
      code: "custom",
      input: body.value,
      path: [],
      message: "needs exactly one of output, error and progress",
    });
  })
  .meta({ id: "Complete" });
export type Complete = z.infer<typeof completeSchema>;
