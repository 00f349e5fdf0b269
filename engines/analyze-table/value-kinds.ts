/** What a single value is. */
export type Kind =
  | "integer"
  | "number"
  | "boolean"
  | "date"
  | "datetime"
  | "string"
  | "object"
  | "array";

/** A value with its kind, in the form in which it is counted and compared. */
export interface Value {
  readonly kind: Kind;
  /** Of numbers the number; of dates and date-times milliseconds since 1970; else null. */
  readonly order: number | null;
  /** What is shown: the number, the boolean, or the text. */
  readonly shown: string | number | boolean;
}

const integer = /^[+-]?(0|[1-9]\d*)$/;
const decimal = /^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const dateTime =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:[.,](\d{1,9}))?)?(Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?)?$/;

/**
 * What a field of a CSV file is. Texts with a leading zero (`007`) are strings, since they are
 * codes, and so are integers beyond ±(2⁵³−1), which no number can hold.
 */
export function valueOfText(text: string): Value {
  const trimmed = text.trim();
  const first = trimmed.charCodeAt(0);
  // Digits, sign or point: most texts need no closer look.
  if ((first >= 48 && first <= 57) || first === 43 || first === 45 || first === 46) {
    if (decimal.test(trimmed)) {
      const number = Number(trimmed);
      const whole = integer.test(trimmed);
      if (whole ? Number.isSafeInteger(number) : Number.isFinite(number)) {
        return { kind: whole ? "integer" : "number", order: number, shown: number };
      }
      return { kind: "string", order: null, shown: text };
    }
    return moment(trimmed, text);
  }
  if (trimmed.length === 4 || trimmed.length === 5) {
    const lower = trimmed.toLowerCase();
    if (lower === "true" || lower === "false") {
      return { kind: "boolean", order: null, shown: lower === "true" };
    }
  }
  return { kind: "string", order: null, shown: text };
}

/** What a member of a JSON row is: numbers and booleans are themselves, texts may be dates. */
export function valueOfJson(value: unknown): Value {
  switch (typeof value) {
    case "number":
      return { kind: Number.isInteger(value) ? "integer" : "number", order: value, shown: value };
    case "boolean":
      return { kind: "boolean", order: null, shown: value };
    case "string":
      return moment(value, value);
    default:
      return {
        kind: Array.isArray(value) ? "array" : "object",
        order: null,
        shown: JSON.stringify(value),
      };
  }
}

/** ISO 8601 dates and date-times that exist; without an offset they are read as UTC. */
function moment(trimmed: string, text: string): Value {
  const match = trimmed.length >= 10 && trimmed.length <= 35 ? dateTime.exec(trimmed) : null;
  if (match) {
    const [, year, month, day, hour, minute, second = "0", fraction = "0", offset = "Z"] = match;
    const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
    const exists =
      new Date(midnight).getUTCDate() === Number(day) && Number(month) >= 1 && Number(month) <= 12;
    if (exists && hour === undefined) return { kind: "date", order: midnight, shown: text };
    if (exists) {
      const time = (Number(hour) * 60 + Number(minute)) * 60 + Number(second);
      const ms = midnight + time * 1000 + Number(`0.${fraction}`) * 1000 - offsetMs(offset);
      return { kind: "datetime", order: ms, shown: text };
    }
  }
  return { kind: "string", order: null, shown: text };
}

function offsetMs(offset: string): number {
  if (offset === "Z") return 0;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
  return (offset.startsWith("-") ? -minutes : minutes) * 60_000;
}
