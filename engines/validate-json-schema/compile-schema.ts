import { TerminalError } from "@tl-engine/engine-kit";
import { Ajv2020, type AnySchema, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const dialect = "https://json-schema.org/draft/2020-12/schema";

/**
 * A validator made for one execution. Unknown keywords and formats are ignored, as the
 * specification says; `$data` is off, and nothing is fetched.
 *
 * @throws TerminalError `input_invalid` where the schema itself is wrong
 */
export function compileSchema(schema: AnySchema): ValidateFunction {
  const asked = typeof schema === "object" ? (schema as { $schema?: unknown }).$schema : undefined;
  if (asked !== undefined && asked !== dialect && asked !== `${dialect}#`) {
    throw wrongSchema("/$schema", `only ${dialect} is supported, not ${JSON.stringify(asked)}`);
  }
  const ajv = new Ajv2020({ allErrors: true, strict: false, logger: false });
  addFormats.default(ajv);
  let validate: ValidateFunction;
  try {
    if (ajv.validateSchema(schema) !== true) {
      const error = ajv.errors?.[0];
      throw wrongSchema(error?.instancePath ?? "", error?.message ?? "is no JSON Schema");
    }
    validate = ajv.compile(schema);
  } catch (error) {
    if (error instanceof TerminalError) throw error;
    // A reference that leads nowhere, a pattern that is none, nesting without end.
    throw wrongSchema("", error instanceof Error ? error.message : String(error));
  }
  // An extension of ajv's: its validators answer with a promise.
  if ("$async" in validate) throw wrongSchema("/$async", "is no keyword of JSON Schema");
  return validate;
}

function wrongSchema(pointer: string, message: string): TerminalError {
  return new TerminalError(`The schema cannot be used: /schema${pointer}: ${message}`, {
    code: "input_invalid",
    details: { pointer: `/schema${pointer}` },
  });
}
