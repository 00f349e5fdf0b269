import type { Readable } from "node:stream";
import { ProblemError } from "@tl-engine/client";
import type { Cli } from "./cli.ts";
import { readConfig } from "./config.ts";
import type { Environment } from "./surroundings.ts";
import { exitCodes, explainError } from "./explain-error.ts";
import { createProgram } from "./program.ts";
import { createTerminal, type OutputStream, type Terminal } from "./terminal.ts";

export interface Surroundings {
  env: Environment;
  stdout: OutputStream;
  stderr: OutputStream;
  stdin: Readable;
  signal: AbortSignal;
}

/**
 * Runs one command.
 *
 * @param args without node and script
 * @returns the exit code: 0 succeeded, 1 failed, 2 usage, 3 not reachable, 130 interrupted
 */
export async function runCli(
  args: readonly string[],
  { env, stdout, stderr, stdin, signal }: Surroundings,
): Promise<number> {
  const config = readConfig(env);
  const terminal = createTerminal(stdout, stderr, config.colors);
  let exitCode: number = exitCodes.ok;
  const cli: Cli = {
    config,
    terminal,
    stdin,
    signal,
    setExitCode: (code) => {
      exitCode = code;
    },
  };
  try {
    await createProgram(cli).parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (signal.aborted) return exitCodes.interrupted;
    return tell(error, terminal, args.includes("--json"));
  } finally {
    terminal.progress(null);
  }
}

function tell(error: unknown, terminal: Terminal, json: boolean): number {
  const { exitCode, lines } = explainError(error);
  if (json && error instanceof ProblemError) {
    terminal.note(JSON.stringify(error.problem));
    return exitCode;
  }
  const [first, ...more] = lines;
  if (first !== undefined) terminal.note(`${terminal.paintNote("red", "tl:")} ${first}`);
  for (const line of more) terminal.note(line);
  return exitCode;
}
