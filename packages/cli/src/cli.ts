import type { Readable } from "node:stream";
import type { CliConfig } from "./config.ts";
import type { Terminal } from "./terminal.ts";

/** What every command is given. */
export interface Cli {
  config: CliConfig;
  terminal: Terminal;
  stdin: Readable;
  /** Fires on Ctrl-C. */
  signal: AbortSignal;
  /** Ends the program with this code once the command is done; 0 otherwise. */
  setExitCode(code: number): void;
}

/** Options that every command has. */
export interface GlobalOptions {
  json?: boolean;
}
