import { type Use } from "../clients.ts";
import { type Engine, type EngineContext, engineInternals } from "../engine.ts";
import { TerminalError } from "../errors.ts";
import { sentenceOf } from "../schema/issue.ts";
import { assertPlainJson, tooLarge } from "./plain-json.ts";

/** Any engine, whatever its types: workers know them only by their descriptors. */
export type AnyEngine = Pick<Engine, "run" | typeof engineInternals>;

/**
 * One attempt, from the input's text to the output's text.
 *
 * Ends in one of three ways: the text of an output that fits the engine's schema; a TerminalError
 * `input_invalid`, `output_invalid` or `output_too_large`; or whatever `run` threw, for
 * `toExecutionError`. Timeouts are not its business: the host aborts `ctx.signal`, and ends the
 * host where that is not heard.
 *
 * @param maxOutputBytes of the output as UTF-8 JSON
 */
export async function executeEngine(
  engine: AnyEngine,
  inputText: string,
  ctx: EngineContext<readonly Use[]>,
  maxOutputBytes: number,
): Promise<{ outputText: string }> {
  const input = parseInput(engine, inputText);
  const output: unknown = await engine.run(input, ctx);
  return { outputText: writeOutput(engine, output, maxOutputBytes) };
}

/**
 * @throws TerminalError `input_invalid`: the door let through what the engine does not accept,
 * which happens when the text was changed on its way, or the schema was
 */
export function parseInput(engine: AnyEngine, inputText: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(inputText);
  } catch (error) {
    throw new TerminalError("The input is not JSON", { code: "input_invalid", cause: error });
  }
  const parsed = engine[engineInternals].parseInput(value);
  if (parsed.ok) return parsed.value;
  throw new TerminalError(`The input does not fit: ${sentenceOf(parsed.issues)}`, {
    code: "input_invalid",
    details: { errors: parsed.issues },
  });
}

/** @throws TerminalError `output_invalid` with the pointer and the reason, or `output_too_large` */
export function writeOutput(engine: AnyEngine, output: unknown, maxOutputBytes: number): string {
  // First, so that what follows meets no cycle, no getter that throws and no endless depth.
  assertPlainJson(output, maxOutputBytes);
  const parsed = engine[engineInternals].parseOutput(output);
  if (!parsed.ok) {
    throw new TerminalError(
      `The engine's output does not fit its schema: ${sentenceOf(parsed.issues)}`,
      { code: "output_invalid", details: { errors: parsed.issues } },
    );
  }
  const text = JSON.stringify(parsed.value);
  if (Buffer.byteLength(text) > maxOutputBytes) throw tooLarge(maxOutputBytes);
  return text;
}
