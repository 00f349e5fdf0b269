import { defineContract } from "@tl-engine/engine-kit";
import { z } from "zod";

export const transformJsonataContract = defineContract({
  id: "transform.jsonata",
  version: 1,
  title: "Transform with JSONata",
  description:
    "Queries and reshapes JSON with a JSONata expression (https://docs.jsonata.org). " +
    "The expression sees the data and the bindings, and nothing else.",
  input: z.object({
    expression: z.string().min(1).max(65_536).describe("A JSONata expression"),
    data: z.unknown().default(null).describe("What the expression is evaluated on"),
    bindings: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/u), z.unknown())
      .default({})
      .describe("Variables: a member `rate` is `$rate` in the expression"),
  }),
  output: z.object({
    result: z.unknown().describe("null where the expression matches nothing"),
  }),
  example: {
    expression: "$sum(items.(price * quantity))",
    data: {
      items: [
        { price: 3, quantity: 2 },
        { price: 5, quantity: 1 },
      ],
    },
  },
});
