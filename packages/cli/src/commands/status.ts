import type { IncludePart } from "@tl-engine/client";
import { InvalidArgumentError, type Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { durationOption } from "../option-parsers.ts";
import { showExecution } from "../show-execution.ts";
import { exitCodeOf, waitForIt } from "./wait-for-it.ts";

interface StatusOptions extends GlobalOptions {
  wait?: true;
  waitTimeout?: string;
  include?: IncludePart[];
  plane?: true;
}

const parts: readonly IncludePart[] = ["attempts", "calls", "input"];

export function addStatusCommand(program: Command, cli: Cli): void {
  program
    .command("status")
    .summary("show an execution")
    .description(
      "Show an execution; with --wait, as soon as it is done. Exit code 1 if it ended without a result.",
    )
    .argument("<id>", "the execution's id")
    .option("--wait", "wait until it is done")
    .option(
      "--wait-timeout <duration>",
      "stop waiting after this long (implies --wait)",
      durationOption,
    )
    .option("--include <parts>", `more of it: ${parts.join(", ")} (comma-separated)`, includeOption)
    .option("--plane", "as tl-plane, who sees everybody's")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<StatusOptions>();
      const { include, waitTimeout, json = false } = options;
      const role = options.plane ? "plane" : "program";
      const execution =
        options.wait || waitTimeout !== undefined
          ? await waitForIt(cli, id, { role, waitTimeout, include, json })
          : await connect(cli.config, role).status(id, { include, signal: cli.signal });
      cli.terminal.write(json ? JSON.stringify(execution) : showExecution(execution, cli.terminal));
      cli.setExitCode(exitCodeOf(execution));
    });
}

function includeOption(text: string): IncludePart[] {
  return text.split(",").map((word) => {
    const part = parts.find((known) => known === word.trim());
    if (part === undefined) throw new InvalidArgumentError(`Allowed are ${parts.join(", ")}.`);
    return part;
  });
}
