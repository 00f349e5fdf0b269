import { spawn } from "node:child_process";

/** What a finished command left behind. */
export interface CommandResult {
  /** Exit code; null when a signal ended it or it could not be started. */
  code: number | null;
  /** Standard output and standard error as they came, trimmed. */
  output: string;
}

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  cwd?: string;
  /** False when the command leaves a daemon behind, which would hold a pipe open for ever. */
  capture?: boolean;
}

/** Runs a program to its end. Never throws: a program that can't be started has code null. */
export function runCommand(
  command: readonly [string, ...string[]],
  { env, uid, gid, cwd, capture = true }: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: capture ? ["ignore", "pipe", "pipe"] : "ignore",
      // Ctrl-C on the terminal must not stop a server in the middle of its start: it is ours to stop.
      detached: true,
      ...(cwd !== undefined && { cwd }),
      ...(env && { env }),
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    });
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output: output.trim() }));
  });
}
