import type { ProblemError } from "@tl-engine/contract";
import { pointerToken } from "@tl-engine/shared/json-schema/pointer.ts";
import type { z } from "zod";
import { Refusal } from "./problem.ts";

type Issue = z.core.$ZodIssue;

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((key) => pointerToken(String(key))).join("");
}

function describe(issue: Issue): ProblemError[] {
  const pointer = pointerOf(issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        pointer: pointer + pointerToken(key),
        detail: "is no member of this body",
      }));
    case "invalid_key":
      return [{ pointer, detail: "its name is not allowed" }];
    case "invalid_union":
      return [{ pointer, detail: unionDetail(issue) }];
    default:
      return [{ pointer, detail: issue.message }];
  }
}

/** The alternatives of a union, in one sentence. */
function unionDetail(issue: Extract<Issue, { code: "invalid_union" }>): string {
  const details = issue.errors.flatMap((branch) => branch.map((inner) => inner.message));
  return details.length > 0 ? [...new Set(details)].join("; or ") : issue.message;
}

/**
 * Holds a parsed body against its schema.
 * @returns what the schema makes of it, or every wrong member by JSON pointer
 * @throws Refusal 400 where there is no body
 */
export function inspectBody<S extends z.ZodType>(
  schema: S,
  body: unknown,
): { data: z.output<S> } | { errors: ProblemError[] } {
  if (body === undefined) throw new Refusal("malformed_request", "This needs a JSON body");
  const result = schema.safeParse(body);
  return result.success ? { data: result.data } : { errors: result.error.issues.flatMap(describe) };
}

/** The refusal that names the wrong members of a body. */
export function invalidBody(errors: readonly ProblemError[]): Refusal {
  return new Refusal("invalid_input", "The request is not valid; see errors", { errors });
}

/**
 * As {@link inspectBody}.
 * @throws Refusal 400 where there is no body, 422 where it is wrong
 */
export function checkBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const inspected = inspectBody(schema, body);
  if ("errors" in inspected) throw invalidBody(inspected.errors);
  return inspected.data;
}
