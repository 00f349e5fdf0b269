import { setImmediate } from "node:timers/promises";
import { defineEngine, TerminalError } from "@tl-engine/engine-kit";
import { transformJsonataContract } from "./contract.ts";
import { type Evaluation, evaluateInRealm } from "./realm.ts";

/** How long an evaluation runs before it lets its thread hear of a timeout or a cancel. */
const breathMs = 25;

export default defineEngine({
  ...transformJsonataContract,
  isolation: "thread",
  timeout: { default: "30s", max: "10m" },
  // The same expression on the same data fails the same way.
  maxAttempts: { default: 1, max: 3 },

  async run({ expression, data, bindings }, ctx) {
    let last = Date.now();
    const pause = (): Promise<void> | undefined => {
      if (Date.now() - last < breathMs) return undefined;
      return setImmediate().then(() => {
        last = Date.now();
        ctx.signal.throwIfAborted();
      });
    };
    const evaluation = await evaluateInRealm(expression, data, bindings, pause);
    ctx.signal.throwIfAborted();
    if ("error" in evaluation) throw failureOf(evaluation.error);
    if (evaluation.result === "") {
      throw new TerminalError("The expression's result is a function; call it", {
        code: "input_invalid",
      });
    }
    return { result: JSON.parse(evaluation.result) as unknown };
  },
});

function failureOf(error: Extract<Evaluation, { error: unknown }>["error"]): TerminalError {
  const { code, message, position, token, parsed } = error;
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
