import { submitSchema, type Submit } from "@tl-engine/contract";
import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import { inspectBody, invalidBody } from "./body-errors.ts";
import type { CheckInput } from "./input-validator.ts";

/** Members that metadata may have. */
const maxMetadata = 100;

/**
 * Checks the form of a submit's body. Where it is wrong, the input is looked at as well, so that one answer names
 * every wrong member.
 * @throws Refusal 400, 422
 */
export function checkSubmit(
  body: unknown,
  engine: EngineVersion | null,
  checkInput: CheckInput,
): Submit {
  // Before each of them is looked at: a body may hold ninety thousand.
  if (isObject(body) && isObject(body["metadata"])) {
    const count = Object.keys(body["metadata"]).length;
    if (count > maxMetadata) {
      const detail = `has ${count} members, at most ${maxMetadata} are taken`;
      throw invalidBody([{ pointer: "/metadata", detail }]);
    }
  }
  const inspected = inspectBody(submitSchema, body);
  const errors = "errors" in inspected ? inspected.errors : [];
  // zod leaves this name out of a record without a word; what is not checked is not taken.
  if (
    isObject(body) &&
    isObject(body["metadata"]) &&
    Object.hasOwn(body["metadata"], "__proto__")
  ) {
    errors.push({ pointer: "/metadata/__proto__", detail: "its name is not allowed" });
  }
  if ("data" in inspected && errors.length === 0) return inspected.data;
  if (engine !== null && isObject(body) && Object.hasOwn(body, "input")) {
    const { input } = body;
    errors.push(...checkInput(engine, input, JSON.stringify(input).length));
  }
  throw invalidBody(errors);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
