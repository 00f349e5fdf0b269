import { defineContract, type InputOf, type OutputOf, z } from "@tl-engine/engine-kit";

export const primesContract = defineContract({
  id: "primes",
  version: 1,
  title: "Prime numbers",
  description: "Counts the primes below a number.",
  input: z.object({
    below: z.int().min(2).max(10_000_000),
    list: z.boolean().default(false).describe("Whether to list them, too"),
  }),
  output: z.object({ count: z.int(), primes: z.array(z.int()).optional() }),
  example: { below: 100 },
});

export type PrimesInput = InputOf<typeof primesContract>; // { below: number; list?: boolean }
export type PrimesOutput = OutputOf<typeof primesContract>;
