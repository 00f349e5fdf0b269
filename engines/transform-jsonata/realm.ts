import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";

/** What came of an expression; a JSONata error has a code such as `S0201` and a position. */
export type Evaluation =
  | { readonly result: string }
  | {
      readonly error: {
        readonly code?: string;
        readonly message?: string;
        readonly position?: number;
        readonly token?: string;
        readonly parsed: boolean;
      };
    };

const library = new Script(readFileSync(fileURLToPath(import.meta.resolve("jsonata")), "utf8"), {
  filename: "jsonata.js",
});

/** The most that one sequence may hold, and how deep evaluation may nest. */
const limits = { stack: 1000, sequence: 1_000_000 };

/**
 * Runs inside of the realm. Only texts cross its border, besides `pause`, which no expression can
 * reach: it is bound to a symbol.
 */
const evaluation = new Script(
  `(async (expression, data, bindings, pause, encode, decode) => {
    // JSONata asks a browser's window for base64.
    globalThis.window = { btoa: (text) => encode(String(text)), atob: (text) => decode(String(text)) };
    let parsed = false;
    try {
      const compiled = globalThis.jsonata(expression, ${JSON.stringify(limits)});
      parsed = true;
      compiled.assign(Symbol.for("jsonata.__evaluate_entry"), () => pause());
      const result = await compiled.evaluate(JSON.parse(data), JSON.parse(bindings));
      const text = JSON.stringify(result, (_, value) => {
        if (typeof value === "number" && !Number.isFinite(value)) {
          throw { message: "the result holds " + value + ", which JSON has not" };
        }
        return Object(value)._jsonata_function || Object(value)._jsonata_lambda ? undefined : value;
      });
      return JSON.stringify({ result: text ?? (result === undefined ? "null" : "") });
    } catch (error) {
      const { code, message, position, token } = Object(error);
      return JSON.stringify({ error: { code, message, position, token, parsed } });
    }
  })`,
  { filename: "evaluate-jsonata.js" },
);

/**
 * Evaluates a JSONata expression in a realm of its own, thrown away afterwards: an expression that
 * finds a way to a prototype, or to `Function`, finds those of the empty realm, where code from
 * strings is off. That is a second wall: the expression's time and memory are bounded by the
 * engine's thread.
 *
 * @param pause called before each step; what it throws ends the evaluation
 */
export async function evaluateInRealm(
  expression: string,
  data: unknown,
  bindings: Record<string, unknown>,
  pause: () => Promise<void> | undefined,
): Promise<Evaluation> {
  const realm = createContext(Object.create(null) as object, {
    codeGeneration: { strings: false, wasm: false },
  });
  library.runInContext(realm);
  const evaluate = evaluation.runInContext(realm) as (
    ...args: readonly [string, string, string, typeof pause, typeof btoa, typeof atob]
  ) => Promise<string>;
  const answer = await evaluate(
    expression,
    JSON.stringify(data),
    JSON.stringify(bindings),
    pause,
    btoa,
    atob,
  );
  return JSON.parse(answer) as Evaluation;
}
