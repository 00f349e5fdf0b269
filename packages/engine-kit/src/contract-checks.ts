import { z } from "zod";
import { type EngineContract } from "./engine.ts";
import { type AgreedSchema, agreeOn } from "./schema/agreed-schema.ts";
import { sentenceOf } from "./schema/issue.ts";

const idPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Paths of the API that an engine's id would hide. */
const reservedIds = new Set(["execute", "status", "metrics"]);

export const contractMembers = [
  "id",
  "version",
  "title",
  "description",
  "input",
  "output",
  "example",
] as const;

type AnyContract = EngineContract<z.ZodType, z.ZodType>;

/** How an engine is called in messages about it. */
export function subjectOf(definition: { id?: unknown; version?: unknown }): string {
  return typeof definition.id === "string" && definition.id !== ""
    ? `Engine ${definition.id}@${String(definition.version)}`
    : "An engine without an id";
}

/** Checks what callers see; each wrong member is reported with its remedy. */
export function checkContract(
  contract: AnyContract,
  report: (problem: string) => void,
): { input: AgreedSchema; output: AgreedSchema; example: unknown } | null {
  const { id, version, title, description } = contract;
  if (typeof id !== "string" || !idPattern.test(id)) {
    report(`id: 1 to 64 of a–z, 0–9, ".", "_", "-", beginning with a letter or digit`);
  } else if (reservedIds.has(id)) {
    report(`id: "${id}" is a path of the API; choose another`);
  }
  if (!Number.isSafeInteger(version) || version < 1 || version > 2_147_483_647) {
    report("version: an integer from 1");
  }
  if (title !== undefined && (typeof title !== "string" || title.length > 200)) {
    report("title: a string of up to 200 characters");
  }
  if (
    description !== undefined &&
    (typeof description !== "string" || description.length > 10_000)
  ) {
    report("description: a string of up to 10000 characters");
  }
  const input = agreed(contract.input, "input", report);
  const output = agreed(contract.output, "output", report);
  if (!input || !output) return null;

  if (contract.example === undefined) return { input, output, example: null };
  let example: unknown;
  try {
    example = JSON.parse(JSON.stringify(contract.example)) as unknown;
  } catch {
    report("example: cannot be written as JSON");
    return null;
  }
  const parsed = input.parse(example);
  if (!parsed.ok) report(`example: does not fit the input: ${sentenceOf(parsed.issues)}`);
  return { input, output, example };
}

function agreed(
  schema: unknown,
  name: "input" | "output",
  report: (problem: string) => void,
): AgreedSchema | null {
  if (!isZod(schema)) {
    report(`${name}: a schema of zod 4, such as z.object({ … })`);
    return null;
  }
  const result = agreeOn(schema, name, name);
  if ("agreed" in result) return result.agreed;
  for (const problem of result.problems) report(problem);
  return null;
}

/** By its mark and not by its class: an engine may bring a copy of zod of its own. */
function isZod(value: unknown): value is z.ZodType {
  if (typeof value !== "object" || value === null || !("_zod" in value)) return false;
  const mark = value._zod;
  return typeof mark === "object" && mark !== null && "def" in mark && "traits" in mark;
}
