import { z } from "zod";
import { remedyOfCheck, remedyOfFormat } from "./remedies.ts";

type StringCheck = z.core.$ZodCheck<string>;
type Keywords = Record<string, unknown>;

/**
 * Formats that may stand beside their pattern: whatever the pattern lets through, validators that
 * assert formats (ajv-formats) let through too. Others are told by their pattern alone.
 */
const toldFormats: Readonly<Record<string, string>> = {
  guid: "uuid",
  uuid: "uuid",
  date: "date",
  datetime: "date-time",
  ipv4: "ipv4",
};

/**
 * A string's checks as JSON Schema keywords and as checks that judge exactly as those keywords do:
 * lengths in code points, patterns with the `u` flag.
 */
export function stringRules(
  checks: readonly z.core.$ZodCheck<never>[],
  refuse: (what: string, remedy: string) => void,
): { keywords: Keywords; checks: z.core.CheckFn<string>[] } {
  const keywords: Keywords = {};
  const patterns: string[] = [];
  const rules: z.core.CheckFn<string>[] = [];

  const least = (length: number, inst: StringCheck) => {
    keywords["minLength"] = Math.max(length, Number(keywords["minLength"] ?? 0));
    rules.push((payload) => {
      if (codePoints(payload.value) >= length) return;
      payload.issues.push({
        code: "too_small",
        origin: "string",
        minimum: length,
        inclusive: true,
        input: payload.value,
        inst,
        continue: true,
      });
    });
  };
  const most = (length: number, inst: StringCheck) => {
    keywords["maxLength"] = Math.min(length, Number(keywords["maxLength"] ?? Infinity));
    rules.push((payload) => {
      if (codePoints(payload.value) <= length) return;
      payload.issues.push({
        code: "too_big",
        origin: "string",
        maximum: length,
        inclusive: true,
        input: payload.value,
        inst,
        continue: true,
      });
    });
  };

  for (const check of checks) {
    const inst = check as StringCheck;
    const def = check._zod.def as z.core.$ZodChecks["_zod"]["def"];
    switch (def.check) {
      case "min_length":
        least(def.minimum, inst);
        break;
      case "max_length":
        most(def.maximum, inst);
        break;
      case "length_equals":
        least(def.length, inst);
        most(def.length, inst);
        break;
      case "string_format": {
        const source = sourceOf(def, refuse);
        if (source === null) break;
        const told = toldFormats[def.format];
        // A local or minutes-only date-time is none in the sense of RFC 3339.
        if (told !== undefined && !isLax(def)) keywords["format"] = told;
        if (!patterns.includes(source)) patterns.push(source);
        const expression = new RegExp(source, "u");
        rules.push((payload) => {
          if (expression.test(payload.value)) return;
          payload.issues.push({
            code: "invalid_format",
            format: def.format,
            origin: "string",
            pattern: `/${source}/`,
            input: payload.value,
            inst,
            continue: true,
          });
        });
        break;
      }
      default:
        refuse(`the check ${def.check}`, remedyOfCheck[def.check] ?? "test it in run()");
    }
  }
  if (patterns.length === 1) keywords["pattern"] = patterns[0];
  if (patterns.length > 1) keywords["allOf"] = patterns.map((pattern) => ({ pattern }));
  return { keywords, checks: rules };
}

/** The source of a format's pattern, or null once it was refused. */
function sourceOf(
  def: z.core.$ZodCheckStringFormatDef,
  refuse: (what: string, remedy: string) => void,
): string | null {
  const remedy = remedyOfFormat[def.format];
  if (remedy !== undefined) {
    refuse(`the format ${def.format}`, remedy);
    return null;
  }
  if (!def.pattern) {
    refuse(`the format ${def.format}`, "give it a regular expression, or test it in run()");
    return null;
  }
  if ("position" in def && def.position !== undefined) {
    refuse("includes() with a position", "use .regex()");
    return null;
  }
  const { source, flags } = def.pattern;
  if (flags.replace("u", "") !== "") {
    refuse(
      `the flags of ${String(def.pattern)}`,
      'JSON Schema has no flags but u; spell it out, such as [Aa] for "i"',
    );
    return null;
  }
  try {
    void new RegExp(source, "u");
  } catch {
    refuse(
      `the regular expression ${String(def.pattern)}`,
      "JSON Schema reads it with the u flag, where a backslash stands only before what needs one",
    );
    return null;
  }
  return source;
}

function isLax(def: z.core.$ZodCheckStringFormatDef): boolean {
  const { local, precision } = def as { local?: boolean; precision?: number | null };
  return local === true || precision === -1;
}

/** Characters as JSON Schema counts them: a surrogate pair is one. */
function codePoints(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next >= 0xdc00 && next <= 0xdfff) {
      count -= 1;
      i += 1;
    }
  }
  return count;
}
