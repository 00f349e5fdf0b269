import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { constants, createContext, Script } from "node:vm";

/** What came of an expression; `result` is JSON, or empty where it is a function. */
export type Evaluation = { readonly result: string } | { readonly error: EvaluationError };

export interface EvaluationError {
  /** JSONata's own, such as `S0201`. */
  readonly code?: string;
  readonly message?: string;
  readonly position?: number;
  readonly token?: string;
  readonly tooLarge?: true;
  /** Whether the expression could be read. */
  readonly parsed: boolean;
}

const library = new Script(readFileSync(fileURLToPath(import.meta.resolve("jsonata")), "utf8"), {
  filename: "jsonata.js",
});
const evaluation = new Script(readFileSync(new URL("./inside-realm.js", import.meta.url), "utf8"), {
  filename: "inside-realm.js",
});

type Evaluate = (
  expression: string,
  data: string,
  bindings: string,
  outside: {
    pause: () => Promise<void>;
    encode: (text: string) => string;
    decode: (text: string) => string;
  },
) => Promise<string>;

/**
 * Evaluates a JSONata expression in a realm of its own, thrown away afterwards: an expression that
 * finds a way to a prototype, or to `Function`, finds those of an empty realm, where code from
 * strings is off. That is a second wall: the expression's time and memory are bounded by the
 * engine's thread.
 *
 * @param signal heard every few milliseconds
 * @throws the signal's reason
 */
export async function evaluateInRealm(
  expression: string,
  data: unknown,
  bindings: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Evaluation> {
  // A plain realm: one around an object of ours asks that object for every global, which is slow.
  const realm = createContext(constants.DONT_CONTEXTIFY, {
    codeGeneration: { strings: false, wasm: false },
  });
  library.runInContext(realm);
  const evaluate = evaluation.runInContext(realm) as Evaluate;
  const answer = await evaluate(expression, JSON.stringify(data), JSON.stringify(bindings), {
    pause: async () => {
      await setImmediate();
      signal.throwIfAborted();
    },
    encode: btoa,
    decode: atob,
  });
  signal.throwIfAborted();
  return JSON.parse(answer) as Evaluation;
}
