import { z } from "zod";
import { durationSchema } from "./duration.ts";
import { engineIdPattern, scopeSchema } from "./scopes.ts";

const timestamp = z.string().meta({ format: "date-time" });
const engineList = z.array(z.string().regex(engineIdPattern, "must be an engine id")).max(1000);

/** The body of POST /api/v1/keys. */
export const createKeySchema = z
  .strictObject({
    name: z.string().min(1).max(200),
    scopes: z.array(scopeSchema).max(100).optional(),
    engines: engineList.nullable().optional().meta({ description: "null: every engine" }),
    rate_limit: z.int().min(1).max(1_000_000_000).nullable().optional().meta({
      description: "Requests in a window; null: no limit; left out: TL_RATE_LIMIT",
    }),
    expires_at: z.iso.datetime({ offset: true }).nullable().optional(),
  })
  .meta({ id: "CreateKey" });
export type CreateKey = z.infer<typeof createKeySchema>;

/** The body of PATCH /api/v1/keys/{id}. */
export const changeKeySchema = createKeySchema
  .extend({ is_active: z.boolean() })
  .partial()
  .meta({ id: "ChangeKey" });
export type ChangeKey = z.infer<typeof changeKeySchema>;

/** The longest time for which the old secret of a rerolled key may still be taken. */
export const maxOverlapMs = 7 * 86_400_000;

/** The body of POST /api/v1/keys/{id}/reroll; it may be left out. */
export const rerollKeySchema = z
  .strictObject({ overlap: durationSchema.optional() })
  .meta({ id: "RerollKey" });

/** A key's record; the secret is not part of it. */
export const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    last_four: z.string(),
    scopes: z.array(z.string()),
    engines: z.array(z.string()).nullable(),
    rate_limit: z.int().nullable(),
    is_active: z.boolean(),
    created_at: timestamp,
    expires_at: timestamp.nullable(),
    last_used_at: timestamp.nullable(),
    revoked_at: timestamp.nullable(),
  })
  .meta({ id: "Key" });
export type Key = z.infer<typeof keySchema>;

/** A key's record with the key itself, which is shown this once. */
export const keyWithSecretSchema = keySchema
  .extend({ key: z.string().meta({ description: "Shown once" }) })
  .meta({ id: "KeyWithSecret" });
export type KeyWithSecret = z.infer<typeof keyWithSecretSchema>;

export const keyListSchema = z
  .object({ keys: z.array(keySchema), next_cursor: z.string().nullable() })
  .meta({ id: "KeyList" });
