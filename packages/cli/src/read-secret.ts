import type { Readable } from "node:stream";
import type { CliConfig } from "./config.ts";
import { readSource } from "./read-input.ts";
import { UsageError } from "./usage-error.ts";

/**
 * A secret, from where no list of processes and no history of a shell shows it: `@file`, `-` for stdin, or `env:NAME`. One
 * line break at its end is not part of it.
 *
 * @throws UsageError where it would stand in the command itself, or is not there
 */
export async function readSecret(
  source: string,
  { config, stdin }: { config: CliConfig; stdin: Readable },
): Promise<string> {
  const name = /^env:(.+)$/.exec(source)?.[1];
  if (name === undefined && source !== "-" && !source.startsWith("@")) {
    throw new UsageError(
      "a secret does not belong into a command, which others can see: give @file, - for stdin, or env:NAME.",
    );
  }
  const text = name === undefined ? await readSource(source, stdin) : config.variable(name);
  if (text === undefined) throw new UsageError(`the variable ${name} is not set.`);
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") throw new UsageError(`the secret in ${name ?? source} is empty.`);
  return secret;
}
