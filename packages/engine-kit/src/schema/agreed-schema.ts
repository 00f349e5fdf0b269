import { z } from "zod";
import { issuesOf, type SchemaIssue } from "./issue.ts";
import { Rebuild } from "./rebuild.ts";

/**
 * One schema in two forms that accept the same values: JSON Schema for the API's door and for
 * callers, and a parser for the engine's host, which also fills in defaults.
 */
export interface AgreedSchema {
  readonly jsonSchema: Record<string, unknown>;
  parse(
    value: unknown,
  ):
    | { readonly ok: true; readonly value: unknown }
    | { readonly ok: false; readonly issues: SchemaIssue[] };
}

/**
 * Both forms of an author's zod schema, or what stands against it: each problem names the path and
 * the remedy. Differences from plain zod, all of them towards JSON Schema:
 * objects refuse unknown members unless they are `z.looseObject`, lengths of strings count
 * characters (code points), regular expressions run with the `u` flag.
 *
 * @param io `input`: members with a default may be left out; `output`: they are always there
 */
export function agreeOn(
  schema: z.ZodType,
  name: string,
  io: "input" | "output",
): { readonly agreed: AgreedSchema } | { readonly problems: readonly string[] } {
  const rebuild = new Rebuild();
  const strict = rebuild.of(schema, name);
  const problems = rebuild.finish();
  if (problems.length > 0) return { problems };
  let jsonSchema: Record<string, unknown>;
  try {
    const made = z.toJSONSchema(strict, {
      io,
      target: "draft-2020-12",
      metadata: rebuild.annotations,
    });
    // Plain JSON, without the methods that zod hangs on its result.
    jsonSchema = JSON.parse(JSON.stringify(made)) as Record<string, unknown>;
  } catch (error) {
    return { problems: [`${name}: ${error instanceof Error ? error.message : String(error)}`] };
  }
  return {
    agreed: {
      jsonSchema,
      parse: (value) => {
        const result = strict.safeParse(value);
        return result.success
          ? { ok: true, value: result.data }
          : { ok: false, issues: issuesOf(result.error) };
      },
    },
  };
}
