import { z } from "zod";

export const healthSchema = z.object({ status: z.literal("ok") }).meta({ id: "Health" });

export const readySchema = z
  .object({
    status: z.enum(["ready", "not_ready"]),
    reasons: z.array(z.string()),
    degraded: z.array(z.string()),
  })
  .meta({ id: "Ready" });
export type Ready = z.infer<typeof readySchema>;
