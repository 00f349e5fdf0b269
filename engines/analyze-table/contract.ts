import { defineContract } from "@tl-engine/engine-kit";
import { z } from "zod";

const common = {
  quantiles: z
    .array(z.number().min(0).max(1))
    .max(100)
    .default([0.25, 0.5, 0.75])
    .describe("Which quantiles of numeric columns, from 0 to 1"),
  top: z
    .int()
    .min(0)
    .max(1000)
    .default(10)
    .describe("How many of the most frequent values of a column to list"),
};

const kind = z.enum([
  "integer",
  "number",
  "boolean",
  "date",
  "datetime",
  "string",
  "object",
  "array",
]);
const scalar = z.union([z.string(), z.number(), z.boolean()]);

export const columnSchema = z.object({
  name: z.string(),
  position: z.int().min(1).describe("1 for the first column"),
  type: z
    .union([kind, z.enum(["mixed", "empty"])])
    .describe("The one type of all values present; number where integers are among numbers"),
  types: z.partialRecord(kind, z.int().min(1)).describe("How many values are of which type"),
  present: z.int().min(0),
  missing: z.int().min(0),
  distinct: z.int().min(0).describe("Different values present, counted exactly"),
  min: scalar.nullable().describe("Of numbers, dates and date-times; null for other types"),
  max: scalar.nullable(),
  mean: z.number().nullable().describe("Of numeric columns, as what follows"),
  stddev: z.number().nullable().describe("Sample standard deviation (n − 1); null below 2 values"),
  sum: z.number().nullable(),
  quantiles: z
    .array(z.object({ q: z.number(), value: z.number() }))
    .nullable()
    .describe("By linear interpolation between closest ranks (type 7 of Hyndman and Fan)"),
  min_length: z.int().nullable().describe("Characters of the shortest string; null without any"),
  max_length: z.int().nullable(),
  top: z
    .array(z.object({ value: scalar, count: z.int().min(1) }))
    .describe("Most frequent first, then in order of appearance; objects and arrays as JSON text"),
});

export const analyzeTableContract = defineContract({
  id: "analyze.table",
  version: 1,
  title: "Analyze a table",
  description:
    "Profiles CSV text or JSON rows: per column its type, missing and distinct values, " +
    "minimum, maximum, mean, standard deviation, quantiles and most frequent values.",
  input: z.union([
    z.object({
      csv: z.string().describe("RFC 4180 text; a byte order mark is skipped"),
      delimiter: z
        .string()
        .regex(/^[^"\r\n]$/u)
        .default(",")
        .describe("One character"),
      header: z.boolean().default(true).describe("Whether the first record names the columns"),
      missing: z
        .array(z.string())
        .max(100)
        .default(["", "NA", "N/A", "NaN", "nan", "null", "NULL"])
        .describe("Texts that stand for a missing value"),
      ragged: z
        .enum(["refuse", "pad"])
        .default("refuse")
        .describe("Records of another length end the execution, or are padded and cut"),
      ...common,
    }),
    z.object({
      rows: z
        .array(z.record(z.string(), z.unknown()))
        .describe("One object a row; columns are all members that occur"),
      missing: z
        .array(z.string())
        .max(100)
        .default([])
        .describe("Texts that stand for a missing value, besides null and absent members"),
      ...common,
    }),
  ]),
  output: z.object({
    row_count: z.int().min(0),
    column_count: z.int().min(0),
    ragged_rows: z.int().min(0).describe("Records that were padded or cut"),
    columns: z.array(columnSchema),
  }),
  example: { csv: "city,population\nBerlin,3897145\nHamburg,1910160\nMunich,\n" },
});
