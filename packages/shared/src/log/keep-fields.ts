import { describeError, type LoggedError } from "./describe-error.ts";
import { fieldNames, type FieldName } from "./field-names.ts";
import { scrubText } from "./scrub-text.ts";

type Scalar = string | number | boolean | null;

/** What a log line may be given: named fields, and an error as `err`. `undefined` is left out. */
export type Fields = {
  readonly [name in FieldName]?: Scalar | readonly Scalar[] | Date | undefined;
} & {
  readonly err?: unknown;
};

const allowed: ReadonlySet<string> = new Set(fieldNames);
const maxItems = 100;

/**
 * The fields that may be logged: allowed names with plain values. Objects never pass, also under a good
 * name; `fields_left_out` counts what didn't.
 */
export function keepFields(fields: object): Record<string, unknown> {
  const kept: Record<string, Scalar | Scalar[] | LoggedError> = {};
  let leftOut = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (name === "err") {
      if (value !== null) kept["err"] = describeError(value);
      continue;
    }
    const plain = allowed.has(name) ? plainValue(value) : undefined;
    if (plain === undefined) leftOut += 1;
    else kept[name] = plain;
  }
  return leftOut === 0 ? kept : { ...kept, fields_left_out: leftOut };
}

function plainValue(value: unknown): Scalar | Scalar[] | undefined {
  if (Array.isArray(value)) {
    const items = value.slice(0, maxItems).map(scalar);
    return items.includes(undefined) ? undefined : (items as Scalar[]);
  }
  return scalar(value);
}

function scalar(value: unknown): Scalar | undefined {
  if (value === null || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value === "string") return scrubText(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  return undefined;
}
