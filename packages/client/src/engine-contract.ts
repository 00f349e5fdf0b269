import type { Accepted as WireAccepted, Execution as WireExecution } from "./wire.ts";

/** What a schema library that speaks Standard Schema (zod 4 does) tells the compiler of a schema. */
export interface TypedSchema<Input = unknown, Output = unknown> {
  readonly "~standard": {
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/**
 * What the client needs of an engine's contract: its id, version and schemas. An engine made by
 * engine-kit's `defineEngine` is one, and so is any plain object of this shape.
 */
export interface EngineContract {
  readonly id: string;
  readonly version: number;
  readonly input: TypedSchema;
  readonly output: TypedSchema;
}

/** How to name an engine: `"resize"` (its highest version), `"resize@2"`, or its contract (that very version). */
export type EngineRef = string | EngineContract;

/** What an engine takes from a caller: members with a default may be left out. */
export type InputOf<E extends EngineRef> = E extends {
  readonly input: TypedSchema<infer Input, infer _>;
}
  ? Input
  : unknown;

/** What an engine gives: members with a default are there. */
export type OutputOf<E extends EngineRef> = E extends {
  readonly output: TypedSchema<infer _, infer Output>;
}
  ? Output
  : unknown;

/** What a 202 says of an execution. */
export type Accepted = WireAccepted;

/** An execution; `output` is null until it succeeded, and absent where a list leaves it out. */
export type Execution<Output = unknown> = Omit<WireExecution, "output"> & {
  output?: Output | null | undefined;
};

/** The name of an engine as the API takes it; a contract speaks of its own version. */
export function engineName(engine: EngineRef): string {
  return typeof engine === "string" ? engine : `${engine.id}@${engine.version}`;
}

/** Whether the answer to a submit is the full description, and not only a receipt. */
export function isDescribed<Output>(
  answer: Accepted | Execution<Output>,
): answer is Execution<Output> {
  return "expires_at" in answer;
}
