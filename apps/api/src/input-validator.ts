import type { ProblemError } from "@tl-engine/contract";
import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import { Ajv2020, type ErrorObject, type Options, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats, { type FormatName } from "ajv-formats";
import { pointerToken } from "./json-values.ts";
import { maxProblemErrors, shorten } from "./problem.ts";

/** Checks inputs at the door. @returns what is wrong, by pointer into the submit's body; empty: nothing */
export type CheckInput = (engine: EngineVersion, input: unknown, bytes: number) => ProblemError[];

/**
 * Inputs up to this size have all their wrong members named; in larger ones the first is named, since half a
 * million wrong members would cost 100 MB to collect.
 */
const nameAllUpTo = 256 * 1024;

/** Schemas kept compiled at once. */
const maxCompiled = 500;

interface Compiled {
  first: ValidateFunction;
  all(): ValidateFunction;
}

/**
 * The formats that inputs are held to: JSON Schema's own (2020-12) that are judged in time that grows with the text
 * alone. Among the plugin's others is `url`, whose pattern takes a minute for 256 KiB.
 */
export const inputFormats: readonly FormatName[] = [
  "date",
  "time",
  "date-time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "uri-reference",
  "uri-template",
  "uuid",
  "json-pointer",
  "relative-json-pointer",
  "regex",
];

/** Schemas come from published engines: as trusted as code, all the same without `$data`. */
const options: Options = { strict: false, $data: false, logger: false, ownProperties: true };

function makeAjv(more: Options): Ajv2020 {
  const ajv = new Ajv2020({ ...options, ...more });
  // The package's types describe its CommonJS shape, in which the plugin is the module itself.
  const add = addFormats as unknown as (ajv: Ajv2020, names: readonly FormatName[]) => void;
  add(ajv, inputFormats);
  return ajv;
}

function compile(schema: object): Compiled {
  const first = makeAjv({ allErrors: false }).compile(schema);
  let all: ValidateFunction | null = null;
  return {
    first,
    all: () => (all ??= makeAjv({ allErrors: true }).compile(schema)),
  };
}

function describe(error: ErrorObject): ProblemError {
  let pointer = `/input${error.instancePath}`;
  const params: Record<string, unknown> = error.params;
  if (error.keyword === "additionalProperties" || error.keyword === "unevaluatedProperties") {
    const name = params["additionalProperty"] ?? params["unevaluatedProperty"];
    return { pointer: pointer + pointerToken(String(name)), detail: "is no member of the input" };
  }
  if (error.keyword === "required") {
    pointer += pointerToken(String(params["missingProperty"]));
    return { pointer, detail: "is required" };
  }
  if (error.keyword === "enum") {
    const allowed = JSON.stringify(params["allowedValues"]).slice(0, 200);
    return { pointer, detail: `must be one of ${allowed}` };
  }
  if (error.keyword === "const") {
    return { pointer, detail: `must be ${JSON.stringify(params["allowedValue"]).slice(0, 200)}` };
  }
  if (error.keyword === "pattern")
    return { pointer, detail: "does not have the form that is needed" };
  return { pointer, detail: error.message ?? "is not valid" };
}

function describeAll(errors: readonly ErrorObject[]): ProblemError[] {
  const seen = new Set<string>();
  const described: ProblemError[] = [];
  for (const error of errors) {
    if (described.length === maxProblemErrors) break;
    const { pointer, detail } = describe(error);
    const name = `${pointer}\n${detail}`;
    if (seen.has(name)) continue;
    seen.add(name);
    described.push({ pointer: shorten(pointer), detail });
  }
  return described;
}

/**
 * Makes the check of inputs against an engine version's published JSON Schema (2020-12, with formats). A schema is
 * compiled when its version is asked for first, and anew when the version is published anew.
 */
export function createInputCheck(): CheckInput {
  const compiled = new Map<string, { fingerprint: string; check: Compiled }>();
  return ({ id, version, fingerprint, inputSchema }, input, bytes) => {
    const name = `${id}@${version}`;
    let entry = compiled.get(name);
    if (entry?.fingerprint !== fingerprint) {
      if (compiled.size >= maxCompiled) compiled.clear();
      entry = { fingerprint, check: compile(inputSchema) };
      compiled.set(name, entry);
    }
    const { first, all } = entry.check;
    if (first(input)) return [];
    const thorough = bytes <= nameAllUpTo ? all() : first;
    if (thorough !== first) thorough(input);
    return describeAll(thorough.errors ?? []);
  };
}
