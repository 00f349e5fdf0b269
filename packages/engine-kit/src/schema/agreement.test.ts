import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { agreeOn } from "./agreed-schema.ts";

/** A schema, and values that are likely to be at its border. */
interface Sample {
  readonly schema: z.ZodType;
  readonly near: fc.Arbitrary<unknown>;
}
type Samples = fc.Arbitrary<Sample>;

const text = fc.string({ unit: "binary", maxLength: 6 });
const astral = fc.string({ unit: fc.constantFrom("a", "é", "😀", "\ud800", "\n"), maxLength: 6 });

const strings: Samples = fc.record({ min: fc.nat(4), span: fc.nat(3) }).map(({ min, span }) => ({
  schema: z
    .string()
    .min(min)
    .max(min + span),
  near: fc.oneof(text, astral),
}));
const patterns: Samples = fc.constantFrom(
  {
    schema: z.string().regex(/^.$/),
    near: fc.constantFrom("a", "😀", "\ud83d", "", "\n", "ab"),
  },
  { schema: z.string().regex(/^[^a]{2}$/u), near: astral },
  {
    schema: z.string().startsWith("a.").endsWith("\n*"),
    near: fc.constantFrom("a.\n*", "a.*", "a.x\n\n*"),
  },
  { schema: z.string().includes("😀").lowercase(), near: astral },
  { schema: z.string().length(2).uppercase(), near: astral },
  { schema: z.templateLiteral(["v", z.int()]), near: fc.constantFrom("v1", "v1.5", "v", "v-2") },
);
const formats: Samples = fc.constantFrom(
  { schema: z.uuid(), near: fc.oneof(fc.uuid(), fc.constant("0-0")) },
  { schema: z.guid(), near: fc.uuid() },
  { schema: z.email(), near: fc.oneof(fc.emailAddress(), fc.constantFrom("a@b-.co", "a@b.c")) },
  { schema: z.ipv4(), near: fc.oneof(fc.ipV4(), fc.constantFrom("01.2.3.4", "1.2.3")) },
  { schema: z.ipv6(), near: fc.oneof(fc.ipV6(), fc.constantFrom("::ffff:1.2.3.4", "::", ":::")) },
  { schema: z.hostname(), near: fc.domain() },
  {
    schema: z.iso.date(),
    near: fc.oneof(dateTexts(10), fc.constantFrom("2023-02-29", "2024-02-29", "0000-02-29")),
  },
  {
    schema: z.iso.datetime({ offset: true }),
    near: fc.oneof(
      dateTexts(24),
      fc.constantFrom("2024-01-01T23:59:60Z", "2024-01-01T00:00:00+23:59", "2024-01-01T00:00Z"),
    ),
  },
  {
    schema: z.iso.datetime({ local: true }),
    near: fc.constantFrom("2024-01-01T10:00", "2024-01-01T10:00:00Z"),
  },
  { schema: z.iso.time(), near: fc.constantFrom("10:00", "10:00:00", "24:00") },
  { schema: z.iso.duration(), near: fc.constantFrom("P1D", "PT", "P1Y2M", "P1W", "P1WT1H") },
);
const numbers: Samples = fc.constantFrom(
  { schema: z.number(), near: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  {
    schema: z.int(),
    near: fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(2 ** 53, -0, 1.5)),
  },
  { schema: z.number().gt(0).lte(3), near: fc.double({ min: -1, max: 4, noNaN: true }) },
  { schema: z.int32(), near: fc.constantFrom(2 ** 31, 2 ** 31 - 1, -(2 ** 31), 0.5) },
  { schema: z.float32(), near: fc.constantFrom(3.5e38, 1e300, 0.1) },
  {
    schema: z.number().multipleOf(3).multipleOf(2),
    near: fc.constantFrom(0, 6, 3, 1e22, 6e21, 0.6),
  },
  { schema: z.number().int().positive(), near: fc.integer({ min: -2, max: 2 }) },
);
const scalars: Samples = fc.constantFrom(
  { schema: z.boolean(), near: fc.boolean() },
  { schema: z.null(), near: fc.constant(null) },
  { schema: z.unknown(), near: fc.jsonValue() },
  { schema: z.any(), near: fc.jsonValue() },
  { schema: z.never(), near: fc.jsonValue() },
  {
    schema: z.literal(["a", 1, null, true]),
    near: fc.constantFrom("a", 1, null, true, "1", false),
  },
  { schema: z.enum(["x", "y"]), near: fc.constantFrom("x", "y", "z") },
  { schema: z.json(), near: fc.jsonValue() },
);
const leaf = fc.oneof(strings, patterns, formats, numbers, scalars);

function nested(inner: Samples): Samples {
  return fc.oneof(
    inner.map(({ schema, near }) => ({ schema: z.nullable(schema), near: fc.option(near) })),
    fc.tuple(inner, fc.nat(2)).map(([{ schema, near }, min]) => ({
      schema: z
        .array(schema)
        .min(min)
        .max(min + 1),
      near: fc.array(near, { maxLength: 4 }),
    })),
    fc.tuple(inner, inner, fc.boolean()).map(([a, b, rest]) => ({
      schema: rest ? z.tuple([a.schema], b.schema) : z.tuple([a.schema, z.optional(b.schema)]),
      near: fc.oneof(fc.tuple(a.near), fc.tuple(a.near, b.near), fc.tuple(a.near, b.near, b.near)),
    })),
    fc
      .tuple(inner, inner, inner, fc.constantFrom("strip", "loose", "catchall"))
      .map(([a, b, c, rest]) => {
        const shape = { a: a.schema, "b/~": z.optional(b.schema) };
        return {
          schema:
            rest === "strip"
              ? z.object(shape)
              : rest === "loose"
                ? z.looseObject(shape)
                : z.object(shape).catchall(c.schema),
          near: fc.record({ a: a.near, "b/~": b.near, more: c.near }, { requiredKeys: [] }),
        };
      }),
    inner.map(({ schema, near }) => ({
      schema: z.record(z.string().max(2), schema),
      near: fc.dictionary(fc.string({ maxLength: 3 }).filter(isOrdinary), near),
    })),
    inner.map(({ schema, near }) => ({
      schema: z.record(z.enum(["x", "y"]), schema),
      near: fc.record({ x: near, y: near, z: near }, { requiredKeys: [] }),
    })),
    inner.map(({ schema, near }) => ({
      schema: z.partialRecord(z.literal(["x", "y"]), schema),
      near: fc.record({ x: near, y: near, z: near }, { requiredKeys: [] }),
    })),
    fc.tuple(inner, inner).map(([a, b]) => ({
      schema: z.union([a.schema, b.schema]),
      near: fc.oneof(a.near, b.near),
    })),
    fc.tuple(inner, inner).map(([a, b]) => ({
      schema: z.xor([a.schema, b.schema]),
      near: fc.oneof(a.near, b.near),
    })),
    fc.tuple(inner, inner).map(([a, b]) => ({
      schema: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("a"), value: a.schema }),
        z.looseObject({ kind: z.literal(["b", "c"]), value: z.optional(b.schema) }),
      ]),
      near: fc.record(
        { kind: fc.constantFrom("a", "b", "c", "d"), value: fc.oneof(a.near, b.near) },
        { requiredKeys: [] },
      ),
    })),
    inner.map(({ schema, near }) => ({
      schema: z.object({
        d: z.unknown().default("left out"),
        o: z.optional(schema).readonly().describe("maybe"),
        l: z.lazy(() => z.array(schema)).meta({ title: "many" }),
      }),
      near: fc.record(
        { d: fc.jsonValue(), o: near, l: fc.array(near, { maxLength: 2 }) },
        { requiredKeys: [] },
      ),
    })),
  );
}
const samples = fc.oneof(leaf, nested(leaf), nested(nested(leaf)));

test("the JSON Schema of an input and its parser accept the same values", () => {
  fc.assert(
    fc.property(
      samples.chain(({ schema, near }) =>
        fc.record({
          schema: fc.constant(schema),
          values: fc.array(fc.oneof({ weight: 3, arbitrary: near }, fc.jsonValue()), {
            minLength: 1,
            maxLength: 8,
          }),
        }),
      ),
      ({ schema, values }) => compare(schema, values.map(asJson)),
    ),
    { numRuns: 150 },
  );
});

test("recursive schemas agree", () => {
  const tree: z.ZodType = z.object({
    name: z.string(),
    get children() {
      return z.array(tree).optional();
    },
  });
  compare(tree, [
    { name: "a" },
    { name: "a", children: [{ name: "b", children: [] }] },
    { name: "a", children: [{ name: 1 }] },
    { name: "a", children: [{ name: "b", other: 1 }] },
  ]);
  type List = [number, List] | null;
  const list: z.ZodType<List> = z.lazy(() => z.nullable(z.tuple([z.number(), list])));
  compare(list, [null, [1, null], [1, [2, null]], [1, [2]], ["1", null]]);
});

function compare(schema: z.ZodType, values: readonly unknown[]): void {
  const result = agreeOn(schema, "input", "input");
  if (!("agreed" in result)) throw new Error(result.problems.join("\n"));
  const { jsonSchema, parse } = result.agreed;
  const plain = new Ajv2020({ strict: false, validateFormats: false }).compile(jsonSchema);
  const withFormats = addFormats
    .default(new Ajv2020({ strict: false, logger: false }))
    .compile(jsonSchema);
  for (const value of values) {
    const parsed = parse(value);
    // In one object, so that a failure shows the schema and the value.
    const judged = { door: plain(value), doorWithFormats: withFormats(value), parser: parsed };
    const { ok } = parsed;
    expect({ jsonSchema, value, ...judged }).toMatchObject({ door: ok, doorWithFormats: ok });
  }
}

/** As it arrives: through JSON. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? "null", (key, member: unknown) =>
    // zod drops members called __proto__ before it looks at them; the door looks.
    key === "__proto__" ? undefined : member,
  );
}

function isOrdinary(key: string): boolean {
  return !(key in Object.prototype);
}

function dateTexts(length: number): fc.Arbitrary<string> {
  return fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, length));
}
