import { readFile } from "node:fs/promises";
import type { RegisterEngine } from "@tl-engine/client";
import { parseAllDocuments } from "yaml";
import { UsageError } from "./usage-error.ts";

/**
 * The definitions in a YAML or JSON file (JSON is YAML): one document each.
 * @throws UsageError where it cannot be read, or a document is no definition
 */
export async function readDefinitions(path: string): Promise<RegisterEngine[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new UsageError(
      code === "ENOENT" ? `there is no file ${path}.` : `${path} can't be read: ${String(error)}`,
    );
  }
  const documents = parseAllDocuments(text, { intAsBigInt: false });
  if (!Array.isArray(documents) || documents.length === 0) {
    throw new UsageError(`${path} holds no definition.`);
  }
  return documents.map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new UsageError(`${path}: ${error.message}`);
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new UsageError(`${path}: a definition is an object with id, version, connection, …`);
    }
    // The API says what is wrong with it.
    return value as RegisterEngine;
  });
}
