import type { ProblemError } from "@tl-engine/contract";
import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import { makeAjv } from "./make-ajv.ts";
import { pointerToken } from "./pointer.ts";

/** What is held against a schema, and how messages speak of it. */
export interface CheckedValue {
  value: unknown;
  /** Its size as JSON. */
  bytes: number;
  /** The member that it is, as in `/input`. */
  pointer: string;
  /** As in "is no member of the input". */
  noun: string;
}

/** A schema, with what tells it from others: the fingerprint changes with it, the name says whose it is. */
export interface NamedSchema {
  name: string;
  fingerprint: string;
  schema: object;
}

/** Holds values against JSON Schemas (2020-12, with formats). @returns what is wrong, by pointer; empty: nothing */
export type SchemaCheck = (schema: NamedSchema, checked: CheckedValue) => ProblemError[];

/**
 * Values up to this size have all their wrong members named; in larger ones the first is named, since half a
 * million wrong members would cost 100 MB to collect.
 */
const nameAllUpTo = 256 * 1024;

/** How many wrong members are named. */
const maxErrors = 100;
/** Characters of a pointer. */
const maxShown = 1_000;

/** Schemas kept compiled at once. */
const maxCompiled = 500;

interface Compiled {
  first: ValidateFunction;
  all(): ValidateFunction;
}

/** Makes the check. A schema is compiled when it is asked for first, and anew when its fingerprint has changed. */
export function createSchemaCheck(): SchemaCheck {
  const compiled = new Map<string, { fingerprint: string; check: Compiled }>();
  return ({ name, fingerprint, schema }, checked) => {
    let entry = compiled.get(name);
    if (entry?.fingerprint !== fingerprint) {
      if (compiled.size >= maxCompiled) compiled.clear();
      entry = { fingerprint, check: compile(schema) };
      compiled.set(name, entry);
    }
    const { first, all } = entry.check;
    const { value, bytes } = checked;
    if (first(value)) return [];
    const thorough = bytes <= nameAllUpTo ? all() : first;
    if (thorough !== first) thorough(value);
    return describeAll(thorough.errors ?? [], checked);
  };
}

function compile(schema: object): Compiled {
  const first = makeAjv({ allErrors: false }).compile(schema);
  let all: ValidateFunction | null = null;
  return {
    first,
    all: () => (all ??= makeAjv({ allErrors: true }).compile(schema)),
  };
}

function describe(error: ErrorObject, { pointer: root, noun }: CheckedValue): ProblemError {
  let pointer = `${root}${error.instancePath}`;
  const params: Record<string, unknown> = error.params;
  if (error.keyword === "additionalProperties" || error.keyword === "unevaluatedProperties") {
    const name = params["additionalProperty"] ?? params["unevaluatedProperty"];
    return { pointer: pointer + pointerToken(String(name)), detail: `is no member of the ${noun}` };
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

function describeAll(errors: readonly ErrorObject[], checked: CheckedValue): ProblemError[] {
  const seen = new Set<string>();
  const described: ProblemError[] = [];
  for (const error of errors) {
    if (described.length === maxErrors) break;
    const { pointer, detail } = describe(error, checked);
    const name = `${pointer}\n${detail}`;
    if (seen.has(name)) continue;
    seen.add(name);
    described.push({ pointer: shorten(pointer), detail });
  }
  return described;
}

function shorten(pointer: string): string {
  return pointer.length <= maxShown ? pointer : `${pointer.slice(0, maxShown).toWellFormed()}…`;
}
