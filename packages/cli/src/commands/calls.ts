import type { OutboundCall, OutboundCallFilters } from "@tl-engine/client";
import { outboundProtocols } from "@tl-engine/contract";
import { Option, type Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { countOption, keyOption, pastTimeOption } from "../option-parsers.ts";
import { showCall, showCalls } from "../show-calls.ts";
import { showExecution } from "../show-execution.ts";
import { UsageError } from "../usage-error.ts";

interface CallsOptions extends GlobalOptions {
  all?: true;
  engine?: string;
  connection?: string;
  protocol?: string;
  host?: string;
  status?: string;
  failed?: true;
  error?: string;
  attempt?: number;
  since?: Date;
  limit: number;
  plane?: true;
}

type RoleOptions = GlobalOptions & { plane?: true };

export function addCallsCommand(program: Command, cli: Cli): void {
  const { terminal, signal } = cli;
  const api = ({ plane }: RoleOptions) =>
    connect(cli.config, plane ? "plane" : "program").outboundCalls;

  const calls = program
    .command("calls")
    .summary("what was sent to the outside: list, show, resend")
    .description(
      "Show what an execution sent to the outside, in the order in which it was sent; with --all, what all of them sent, newest first.",
    )
    .argument("[execution]", "the execution's id")
    .option("--all", "those of all executions")
    .option("--engine <id>", "only this engine's")
    .option("--connection <id>", "only through this connection")
    .addOption(new Option("--protocol <protocol>", "only over this one").choices(outboundProtocols))
    .option("--host <host>", "only to this host, with its port where it has one")
    .option("--status <status>", "only with this status, or class such as 5xx")
    .option("--failed", "only those that failed, or were answered with 400 or more")
    .option("--error <code>", "only those that ended with this error's code")
    .option("--attempt <n>", "only of this attempt", countOption)
    .option(
      "--since <time>",
      "only those that began after this time, or so long ago",
      pastTimeOption,
    )
    .option("--limit <n>", "how many at most", countOption, 100)
    .option("--plane", "as tl-plane, who sees everybody's")
    .action(async (id: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<CallsOptions>();
      if ((id === undefined) === (options.all === undefined)) {
        throw new UsageError("name an execution, or use --all");
      }
      const found: OutboundCall[] = [];
      for await (const call of api(options).list({ ...filtersOf(options, id), signal })) {
        found.push(call);
        if (found.length === options.limit) break;
      }
      if (id !== undefined) found.reverse();
      terminal.write(options.json ? JSON.stringify({ calls: found }) : showCalls(found, terminal));
    });

  calls
    .command("show")
    .description("Show a call, with its headers, and its bodies where its connection keeps them.")
    .argument("<call>", "the call's id")
    .option("--plane", "as tl-plane, who sees everybody's")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<RoleOptions>();
      const call = await api(options).get(id, { signal });
      terminal.write(options.json ? JSON.stringify(call) : showCall(call, terminal));
    });

  calls
    .command("resend")
    .description("Send the very request again, by an execution of http.request.")
    .argument("<call>", "the call's id")
    .option("--idempotency-key <key>", "the same key sends it once", keyOption)
    .option("--plane", "as tl-plane, who may send everybody's")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<RoleOptions & { idempotencyKey?: string }>();
      const { idempotencyKey } = options;
      const accepted = await api(options).resend(id, {
        ...(idempotencyKey !== undefined && { idempotencyKey }),
        signal,
      });
      terminal.write(options.json ? JSON.stringify(accepted) : showExecution(accepted, terminal));
    });
}

function filtersOf(options: CallsOptions, executionId: string | undefined): OutboundCallFilters {
  return {
    executionId,
    engine: options.engine,
    connection: options.connection,
    protocol: options.protocol,
    host: options.host,
    status: options.status,
    result: options.failed && "failed",
    errorCode: options.error,
    attempt: options.attempt,
    startedAfter: options.since,
    pageSize: Math.min(options.limit, 100),
  };
}
