import type { Execution, ExecutionStatus } from "@tl-engine/client";
import { executionStatuses } from "@tl-engine/contract";
import { Option, type Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { countOption } from "../option-parsers.ts";
import { statusStyle } from "../show-execution.ts";
import { formatTable, type Cell } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface ListOptions extends GlobalOptions {
  status?: ExecutionStatus;
  engine?: string;
  tag?: string;
  limit: number;
  plane?: true;
}

export function addListCommand(program: Command, cli: Cli): void {
  program
    .command("list")
    .summary("list executions, newest first")
    .description("List executions, newest first.")
    .addOption(new Option("--status <status>", "only these").choices(executionStatuses))
    .option("--engine <id>", "only this engine's")
    .option("--tag <tag>", "only those with this tag")
    .option("--limit <n>", "how many at most", countOption, 20)
    .option("--plane", "as tl-plane, who sees everybody's")
    .action(async (_: unknown, command: Command) => {
      const { status, engine, tag, limit, plane, json } = command.optsWithGlobals<ListOptions>();
      const client = connect(cli.config, plane ? "plane" : "program");
      const pageSize = Math.min(limit, 100);
      const executions: Execution[] = [];
      for await (const execution of client.list({
        status,
        engine,
        tag,
        pageSize,
        signal: cli.signal,
      })) {
        executions.push(execution);
        if (executions.length === limit) break;
      }
      cli.terminal.write(
        json ? JSON.stringify({ executions }) : showExecutions(executions, cli.terminal),
      );
    });
}

function showExecutions(executions: readonly Execution[], { paint }: Terminal): string {
  if (executions.length === 0) return "There are none.";
  const head = ["ID", "ENGINE", "STATUS", "CREATED", "TAGS"];
  return formatTable([
    head.map((text): Cell => ({ text, paint: (t) => paint("dim", t) })),
    ...executions.map((execution): Cell[] => [
      execution.execution_id,
      `${execution.engine}@${execution.version}`,
      { text: execution.status, paint: (t) => paint(statusStyle(execution.status), t) },
      execution.created_at,
      execution.tags.join(", "),
    ]),
  ]);
}
