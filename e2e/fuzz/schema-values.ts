import fc, { type Arbitrary } from "fast-check";
import type { Schema } from "./operations.ts";

/** How a schema's values are made. */
export interface SchemaReader {
  resolve(schema: Schema): Schema;
  /** Values for members of this name that are better than what their schema says; undefined: the schema's. */
  named(name: string): Arbitrary<unknown> | undefined;
}

/** Values without the schema's word on them; nothing that JSON changes. */
const anything = fc.jsonValue({ maxDepth: 3 }).filter((value) => !Object.is(value, -0));

/** Values that a JSON Schema allows, as far as the document's own vocabulary goes. */
export function valuesOf(schema: Schema, reader: SchemaReader, depth = 0): Arbitrary<unknown> {
  const resolved = reader.resolve(schema);
  if (typeof resolved === "boolean" || depth > 5) return anything;
  const one = resolved as Record<string, never>;
  const again = (inner: Schema): Arbitrary<unknown> => valuesOf(inner, reader, depth + 1);
  if ("const" in one) return fc.constant(one["const"]);
  if (Array.isArray(one["enum"])) return fc.constantFrom(...(one["enum"] as unknown[]));
  const alternatives = one["anyOf"] ?? one["oneOf"];
  if (Array.isArray(alternatives)) return fc.oneof(...(alternatives as Schema[]).map(again));
  const types = [one["type"] ?? []].flat() as string[];
  if (types.length === 0) return anything;
  return fc.oneof(...types.map((type) => valuesOfType(type, one, reader, again)));
}

function valuesOfType(
  type: string,
  schema: Readonly<Record<string, unknown>>,
  reader: SchemaReader,
  again: (inner: Schema) => Arbitrary<unknown>,
): Arbitrary<unknown> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer": {
      const min = numberOf(schema["minimum"], 0);
      // What a number means is seldom better tried with a large one: a sleep would hold its slot for days.
      const max = Math.min(numberOf(schema["maximum"], 1_500), Math.max(min, 1_500));
      return fc.integer({ min, max });
    }
    case "number":
      return fc
        .double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 })
        .map((value) => value + 0);
    case "string":
      return textsOf(schema);
    case "array": {
      const items = again((schema["items"] ?? true) as Schema);
      const max = Math.min(numberOf(schema["maxItems"], 5), 5);
      return fc.array(items, {
        minLength: Math.min(numberOf(schema["minItems"], 0), max),
        maxLength: max,
      });
    }
    case "object":
      return objectsOf(schema, reader, again);
    default:
      throw new Error(`The document has a schema of type ${type}`);
  }
}

function objectsOf(
  schema: Readonly<Record<string, unknown>>,
  reader: SchemaReader,
  again: (inner: Schema) => Arbitrary<unknown>,
): Arbitrary<unknown> {
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  const more = schema["additionalProperties"];
  if (Object.keys(properties).length === 0) {
    if (more === false) return fc.constant({});
    const names = fc.string({ minLength: 1, maxLength: 20 }).filter((name) => name !== "__proto__");
    return fc.dictionary(names, again((more ?? true) as Schema), {
      maxKeys: 4,
      noNullPrototype: true,
    });
  }
  const members = Object.entries(properties).map(
    ([name, inner]) => [name, reader.named(name) ?? again(inner)] as const,
  );
  return fc.record(Object.fromEntries(members), {
    requiredKeys: (schema["required"] ?? []) as string[],
    noNullPrototype: true,
  });
}

function textsOf(schema: Readonly<Record<string, unknown>>): Arbitrary<string> {
  const { pattern, format } = schema;
  if (typeof pattern === "string") return fc.stringMatching(new RegExp(pattern));
  if (format === "date-time") return timesFrom(0);
  if (format === "uuid") return fc.uuid();
  const minLength = numberOf(schema["minLength"], 0);
  const maxLength = Math.min(numberOf(schema["maxLength"], 40), 300);
  return fc.oneof(
    fc.string({ minLength, maxLength }),
    fc.string({
      unit: "grapheme",
      minLength,
      maxLength: Math.max(minLength, Math.floor(maxLength / 16)),
    }),
  );
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

/** Times around a moment, in the forms of RFC 3339. */
export function timesFrom(moment: number): Arbitrary<string> {
  const hours = fc.constantFrom(-1_000_000, -24, -1, 0, 1, 24, 700, 100_000);
  const forms = fc.constantFrom(
    (iso: string) => iso,
    (iso: string) => iso.replace("Z", "+00:00"),
    (iso: string) => iso.replace(/\.\d+Z/, "-11:30"),
    (iso: string) => iso.replace("Z", "999999Z"),
  );
  return fc
    .tuple(hours, forms)
    .map(([hour, form]) => form(new Date(moment + hour * 3_600_000).toISOString()));
}
