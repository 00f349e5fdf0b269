import type { Readable } from "node:stream";
import { parseJson, readSource } from "./read-input.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The members of a JSON or YAML file (by its name; stdin is either, as YAML has JSON in it).
 *
 * @throws UsageError when it can't be read, or is no object
 */
export async function readMembers(file: string, stdin: Readable): Promise<Record<string, unknown>> {
  const text = await readSource(file === "-" ? file : `@${file}`, stdin);
  const value = file.endsWith(".json") ? parseJson(text, file) : await parseYaml(text, file);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`${file} must hold one object.`);
  }
  return value as Record<string, unknown>;
}

async function parseYaml(text: string, file: string): Promise<unknown> {
  // Most commands read none.
  const { parse, YAMLParseError } = await import("yaml");
  try {
    return parse(text, { prettyErrors: false });
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new UsageError(
      `${file} is neither JSON nor YAML: ${error.code} at character ${error.pos[0]}.`,
    );
  }
}
