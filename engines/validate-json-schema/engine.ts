import { setImmediate } from "node:timers/promises";
import { defineEngine, type OutputOf, TerminalError } from "@tl-engine/engine-kit";
import { type ErrorObject } from "ajv/dist/2020.js";
import { compileSchema } from "./compile-schema.ts";
import { validateJsonSchemaContract } from "./contract.ts";

type Report = OutputOf<typeof validateJsonSchemaContract>;

/** How long validation runs before it lets its thread hear of a timeout or a cancel. */
const breathMs = 25;

export default defineEngine({
  ...validateJsonSchemaContract,
  isolation: "thread",
  timeout: { default: "30s", max: "10m" },
  // The same schema judges the same values the same way.
  maxAttempts: { default: 1, max: 3 },

  async run(input, ctx): Promise<Report> {
    const validate = compileSchema(input.schema);
    const items = "items" in input ? input.items : [input.data];
    const report: Report = {
      valid: true,
      valid_count: 0,
      invalid_count: 0,
      error_count: 0,
      errors: [],
    };
    let last = Date.now();
    for (const [i, item] of items.entries()) {
      if (isValid(item)) report.valid_count += 1;
      else {
        report.valid = false;
        report.invalid_count += 1;
        const errors = validate.errors ?? [];
        report.error_count += errors.length;
        for (const error of errors.slice(0, input.max_errors - report.errors.length)) {
          report.errors.push(entryOf(error, "items" in input ? i : null));
        }
      }
      if (Date.now() - last > breathMs) {
        ctx.progress((i + 1) / items.length);
        // oxlint-disable-next-line no-await-in-loop -- a pause is the point
        await setImmediate();
        ctx.signal.throwIfAborted();
        last = Date.now();
      }
    }
    return report;

    function isValid(item: unknown): boolean {
      try {
        return validate(item);
      } catch (error) {
        throw new TerminalError(
          "The schema cannot be used: it refers to itself without end, or the value is nested too deep",
          { code: "input_invalid", details: { pointer: "/schema" }, cause: error },
        );
      }
    }
  },
});

function entryOf(error: ErrorObject, index: number | null): Report["errors"][number] {
  // The member itself, and not the object that has too many or too few.
  const params = error.params as Record<string, unknown>;
  const member =
    params["missingProperty"] ?? params["additionalProperty"] ?? params["unevaluatedProperty"];
  const own = typeof member === "string" && error.keyword !== "dependentRequired";
  return {
    index,
    pointer: own
      ? `${error.instancePath}/${member.replaceAll("~", "~0").replaceAll("/", "~1")}`
      : error.instancePath,
    keyword: error.keyword,
    message: error.message ?? "is not valid",
    schema_pointer: pointerOf(error.schemaPath),
  };
}

/** ajv gives a URI fragment, `#/properties/a%20b/type`. */
function pointerOf(schemaPath: string): string {
  const fragment = schemaPath.slice(schemaPath.indexOf("#") + 1);
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
