import { defineEngine, TerminalError } from "@tl-engine/engine-kit";
import { transformJsonataContract } from "./contract.ts";
import { evaluateInRealm, type EvaluationError } from "./realm.ts";

export default defineEngine({
  ...transformJsonataContract,
  isolation: "thread",
  timeout: { default: "30s", max: "10m" },
  // The same expression on the same data fails the same way.
  maxAttempts: { default: 1, max: 3 },

  async run({ expression, data, bindings }, ctx) {
    const evaluation = await evaluateInRealm(expression, data, bindings, ctx.signal);
    if ("error" in evaluation) throw failureOf(evaluation.error);
    if (evaluation.result === "") {
      throw new TerminalError("The expression's result is a function; call it", {
        code: "input_invalid",
      });
    }
    return { result: JSON.parse(evaluation.result) as unknown };
  },
});

function failureOf(error: EvaluationError): TerminalError {
  const { code, message, position, token, parsed } = error;
  if (error.tooLarge) {
    return new TerminalError("The expression's result is too large; aggregate or filter it", {
      code: "output_too_large",
    });
  }
  const place = position === undefined ? "" : ` at position ${position}`;
  // Not JSONata's own: a stack that overflowed, a text that grew beyond all bounds.
  const what = code ?? "evaluation failed";
  return new TerminalError(`JSONata ${what}${place}: ${message ?? "no message"}`, {
    code: parsed ? "engine_error" : "input_invalid",
    details: {
      pointer: "/expression",
      ...(code === undefined ? {} : { jsonata_code: code }),
      ...(position === undefined ? {} : { position }),
      ...(token === undefined ? {} : { token }),
    },
  });
}
