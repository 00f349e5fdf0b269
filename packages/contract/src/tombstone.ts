import { z } from "zod";

/** What is left of an execution once its record has been removed. */
export const tombstoneSchema = z
  .object({
    execution_id: z.string().meta({ format: "uuid" }),
    status: z.enum(["succeeded", "failed", "canceled", "expired"]),
    finished_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "Tombstone" });
export type Tombstone = z.infer<typeof tombstoneSchema>;
