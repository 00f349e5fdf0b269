import { z } from "zod";
import { callbackSchema } from "./callbacks.ts";
import { durationSchema } from "./duration.ts";
import { priorities } from "./execution.ts";

/** An engine as callers name it: `resize` (its highest version) or `resize@2`. */
export const engineRefPattern = /^[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]{0,8})?$/;
export const engineRefSchema = z
  .string()
  .regex(engineRefPattern, "must be an engine id such as resize, or resize@2")
  .meta({ example: "echo" });

export const submitOptionsSchema = z
  .strictObject({
    priority: z.enum(priorities).optional(),
    delay: durationSchema.nullable().optional(),
    run_at: z.iso.datetime({ offset: true }).nullable().optional(),
    ttl: durationSchema.optional(),
    timeout: durationSchema.optional(),
    max_attempts: z.int().min(1).max(25).optional(),
  })
  .meta({ id: "SubmitOptions" });
export type SubmitOptions = z.infer<typeof submitOptionsSchema>;

const present = "is required";

/** The body of POST /api/v1/engines/{engine_id}/execute. */
export const submitSchema = z
  .strictObject({
    input: z.unknown().nonoptional(present).meta({ description: "Checked by the engine's schema" }),
    options: submitOptionsSchema.optional(),
    callback: callbackSchema.optional(),
    tags: z.array(z.string().min(1).max(64)).max(20).optional(),
    metadata: z
      .record(z.string().min(1).max(64), z.union([z.string().max(1000), z.number(), z.boolean()]))
      .optional()
      .meta({ description: "Texts, numbers and booleans; at most 100 members" }),
  })
  .meta({ id: "Submit" });
export type Submit = z.infer<typeof submitSchema>;

/** The body of POST /api/v1/engines/execute. */
export const planeSubmitSchema = submitSchema
  .extend({ engine: engineRefSchema })
  .meta({ id: "SubmitWithEngine" });
