import { defineContract } from "@tl-engine/engine-kit";
import { z } from "zod";

const common = {
  schema: z
    .union([z.looseObject({}), z.boolean()])
    .describe("A JSON Schema of draft 2020-12; $ref reaches within it only"),
  max_errors: z
    .int()
    .min(0)
    .max(1000)
    .default(100)
    .describe("How many errors to list; all values are judged and counted in any case"),
};

export const validateJsonSchemaContract = defineContract({
  id: "validate.json-schema",
  version: 1,
  title: "Validate by JSON Schema",
  description:
    "Judges one value (data) or each of a list of values (items) by a JSON Schema of draft " +
    "2020-12. Formats are asserted.",
  input: z.union([
    z.object({ ...common, data: z.unknown().describe("The value to judge") }),
    z.object({
      ...common,
      items: z.array(z.unknown()).describe("The values to judge, one by one"),
    }),
  ]),
  output: z.object({
    valid: z.boolean().describe("Whether every value is valid"),
    valid_count: z.int().min(0),
    invalid_count: z.int().min(0),
    error_count: z.int().min(0).describe("All errors found, listed or not"),
    errors: z.array(
      z.object({
        index: z.int().min(0).nullable().describe("Which item; null for data"),
        pointer: z.string().describe("RFC 6901 pointer to the wrong member, within its value"),
        keyword: z.string().describe("The keyword that says so, such as type or required"),
        message: z.string(),
        schema_pointer: z.string().describe("Pointer to that keyword in the schema"),
      }),
    ),
  }),
  example: {
    schema: { type: "object", properties: { age: { type: "integer", minimum: 0 } } },
    items: [{ age: 3 }, { age: -1 }, { age: "three" }],
  },
});
