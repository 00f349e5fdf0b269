import type { ProblemError } from "@tl-engine/contract";
import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import { createSchemaCheck } from "@tl-engine/shared/json-schema/schema-check.ts";

/** Checks inputs at the door. @returns what is wrong, by pointer into the submit's body; empty: nothing */
export type CheckInput = (engine: EngineVersion, input: unknown, bytes: number) => ProblemError[];

/** The same of outputs, by pointer into a completion's body. */
export type CheckOutput = (engine: EngineVersion, output: unknown, bytes: number) => ProblemError[];

/** Makes the check of inputs against an engine version's published JSON Schema. */
export function createInputCheck(): CheckInput {
  const check = createSchemaCheck();
  return ({ id, version, fingerprint, inputSchema }, input, bytes) =>
    check(
      { name: `${id}@${version}`, fingerprint, schema: inputSchema },
      { value: input, bytes, pointer: "/input", noun: "input" },
    );
}

/** Makes the check of outputs. */
export function createOutputCheck(): CheckOutput {
  const check = createSchemaCheck();
  return ({ id, version, fingerprint, outputSchema }, output, bytes) =>
    check(
      { name: `${id}@${version}`, fingerprint, schema: outputSchema },
      { value: output, bytes, pointer: "/output", noun: "output" },
    );
}
