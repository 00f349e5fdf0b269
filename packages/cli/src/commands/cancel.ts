import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { showExecution } from "../show-execution.ts";

export function addCancelCommand(program: Command, cli: Cli): void {
  program
    .command("cancel")
    .summary("ask for an execution's end")
    .description(
      "Ask for an execution's end. One that runs ends a moment later: see tl status --wait.",
    )
    .argument("<id>", "the execution's id")
    .option("--plane", "as tl-plane, who may end everybody's")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json, plane } = command.optsWithGlobals<GlobalOptions & { plane?: true }>();
      const client = connect(cli.config, plane ? "plane" : "program");
      const execution = await client.cancel(id, { signal: cli.signal });
      cli.terminal.write(json ? JSON.stringify(execution) : showExecution(execution, cli.terminal));
    });
}
