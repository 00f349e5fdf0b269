import { z } from "zod";
import { connectionSchema } from "./connections.ts";

/** The circuit of a connection: see docs/outbound.md. */
export const circuitSchema = z
  .object({
    state: z.enum(["closed", "open", "half_open"]).meta({
      description: "closed: calls go through; open: none does; half_open: one does, and decides",
    }),
    until: z
      .string()
      .nullable()
      .meta({ format: "date-time", description: "When it may be tried again; null: closed" }),
    openings: z
      .int()
      .meta({ description: "How often in a row it opened, without having closed in between" }),
    calls: z.int().meta({ description: "Within its window, while it is closed" }),
    failures: z.int().meta({ description: "Of those calls" }),
    parked: z
      .int()
      .meta({ description: "Executions that wait for it; no more than 10,000 are counted" }),
  })
  .meta({ id: "Circuit" });
export type ConnectionCircuit = z.output<typeof circuitSchema>;

/** A connection as it is shown alone. */
export const connectionDetailSchema = connectionSchema
  .extend({ circuit: circuitSchema.nullable().meta({ description: "null: it has no breaker" }) })
  .meta({ id: "ConnectionDetail" });
export type ConnectionDetail = z.output<typeof connectionDetailSchema>;

/** What POST /api/v1/connections/{id}/reset-circuit says. */
export const circuitResetSchema = z
  .object({
    circuit: circuitSchema,
    released: z.int().meta({ description: "Executions that waited for it, and start now" }),
  })
  .meta({ id: "CircuitReset" });
export type CircuitReset = z.output<typeof circuitResetSchema>;
