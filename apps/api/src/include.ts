import type { Include } from "@tl-engine/shared/executions/row.ts";
import { malformed, readList } from "./query.ts";

/** The words of `include=`. */
export const includeWords = ["attempts", "calls", "input", "output"] as const;

/**
 * Reads `include=attempts,calls,input,output`.
 * @param output whether the output is there without being asked for
 * @throws Refusal 400
 */
export function readInclude(text: string | undefined, output: boolean): Include {
  const asked = readList("include", text, includeWords.length) ?? [];
  const unknown = asked.find((word) => !includeWords.some((known) => known === word));
  if (unknown !== undefined) {
    throw malformed(`The query parameter include takes ${includeWords.join(", ")}`);
  }
  return {
    output: output || asked.includes("output"),
    input: asked.includes("input"),
    attempts: asked.includes("attempts"),
    calls: asked.includes("calls"),
  };
}
