import type { ProblemError } from "@tl-engine/contract";
import { makeAjv } from "./make-ajv.ts";
import { pointerToken } from "./pointer.ts";

const dialect = "https://json-schema.org/draft/2020-12/schema";
/** Bytes of JSON that a schema may have. */
export const maxSchemaBytes = 256 * 1024;
/** How many wrong places are named. */
const maxErrors = 20;
/** Characters of a pattern: longer ones are programs. */
const maxPattern = 1_000;

/**
 * Whether a JSON Schema that comes from outside can be used: it is one (2020-12), it is whole (a reference leads to no
 * other document: nothing is ever fetched), and it compiles.
 * @param pointer the member that it is, as in `/input_schema`
 * @returns what is wrong, by pointer; empty: nothing
 */
export function judgeSchema(schema: Record<string, unknown>, pointer: string): ProblemError[] {
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > maxSchemaBytes) {
    return [{ pointer, detail: `has ${bytes} bytes as JSON, at most ${maxSchemaBytes} are taken` }];
  }
  const said = schema["$schema"];
  if (said !== undefined && said !== dialect && said !== `${dialect}#`) {
    return [{ pointer: `${pointer}/$schema`, detail: `only ${dialect} is supported` }];
  }
  const errors: ProblemError[] = [];
  walk(schema, pointer, errors);
  if (errors.length > 0) return errors.slice(0, maxErrors);
  try {
    const ajv = makeAjv({ allErrors: false });
    if (ajv.validateSchema(schema) !== true) {
      const error = ajv.errors?.[0];
      return [
        {
          pointer: `${pointer}${error?.instancePath ?? ""}`,
          detail: error?.message ?? "is no JSON Schema",
        },
      ];
    }
    ajv.compile(schema);
    return [];
  } catch (error) {
    // A reference that leads nowhere, a pattern that is none, nesting without end.
    return [{ pointer, detail: error instanceof Error ? error.message : "cannot be compiled" }];
  }
}

/** What is said of single keywords; values under `const`, `enum`, `default` and `examples` are no schemas. */
function walk(value: unknown, pointer: string, errors: ProblemError[]): void {
  if (Array.isArray(value)) {
    value.forEach((one, index) => walk(one, `${pointer}/${index}`, errors));
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (["const", "enum", "default", "examples"].includes(name)) continue;
    const at = pointer + pointerToken(name);
    if ((name === "$ref" || name === "$dynamicRef") && typeof member === "string") {
      if (!member.startsWith("#")) {
        errors.push({
          pointer: at,
          detail: "leads to another document; only references such as #/$defs/name are followed",
        });
      }
    } else if (name === "$async") {
      errors.push({ pointer: at, detail: "is no keyword of JSON Schema" });
    } else if (name === "$id" && typeof member === "string") {
      errors.push({ pointer: at, detail: "is not supported: references begin with # here" });
    } else if (name === "pattern" && typeof member === "string" && member.length > maxPattern) {
      errors.push({ pointer: at, detail: `is longer than ${maxPattern} characters` });
    } else walk(member, at, errors);
  }
}
