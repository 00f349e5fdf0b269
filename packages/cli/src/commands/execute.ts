import {
  isDescribed,
  type Accepted,
  type Callback,
  type Execution,
  type Priority,
} from "@tl-engine/client";
import { priorities } from "@tl-engine/contract";
import { Option, type Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import {
  countOption,
  durationOption,
  keyOption,
  pairOption,
  repeatedOption,
  timeOption,
} from "../option-parsers.ts";
import { readInput, type InputOptions } from "../read-input.ts";
import { showExecution } from "../show-execution.ts";
import { exitCodeOf, waitForIt } from "./wait-for-it.ts";

interface ExecuteOptions extends GlobalOptions, InputOptions {
  wait?: true;
  waitTimeout?: string;
  priority?: Priority;
  delay?: string;
  runAt?: Date;
  ttl?: string;
  timeout?: string;
  maxAttempts?: number;
  tag?: string[];
  metadata?: [string, string][];
  idempotencyKey?: string;
  callback?: string;
  plane?: true;
}

export function addExecuteCommand(program: Command, cli: Cli): void {
  program
    .command("execute")
    .summary("submit an execution")
    .description("Submit an execution; with --wait, see it through to its result.")
    .argument("<engine>", "an engine's id, as resize or resize@2")
    .optionsGroup("Input (each value is @file, - for stdin, or the thing itself):")
    .option("--input <json>", "the input as JSON")
    .option(
      "--input-text <member=text>",
      "a member whose value is text, as csv=@data.csv",
      pairOption,
    )
    .option("--input-json <member=json>", "a member whose value is JSON", pairOption)
    .optionsGroup("Waiting:")
    .option("--wait", "wait until it is done and print the result")
    .option(
      "--wait-timeout <duration>",
      "stop waiting after this long (implies --wait)",
      durationOption,
    )
    .optionsGroup("How to run it:")
    .addOption(new Option("--priority <priority>", "default normal").choices(priorities))
    .option("--delay <duration>", "start no sooner than after this", durationOption)
    .option("--run-at <time>", "start no sooner than at this time", timeOption)
    .option("--ttl <duration>", "give up if it could not start within this", durationOption)
    .option("--timeout <duration>", "time for one attempt", durationOption)
    .option("--max-attempts <n>", "attempts at most", countOption)
    .option("--tag <tag>", "a word to find it by (repeatable)", repeatedOption)
    .option("--metadata <name=value>", "a fact to keep with it (repeatable)", pairOption)
    .option("--idempotency-key <key>", "the same key is the same execution, for 24 h", keyOption)
    .option("--callback <address>", "tell this URL, or webhook endpoint, of its end")
    .optionsGroup("Other:")
    .option("--plane", "as tl-plane instead of the program")
    .action(async (engine: string, _: unknown, command: Command) => {
      await executeCommand(cli, engine, command.optsWithGlobals<ExecuteOptions>());
    });
}

/** Endpoints begin with `whe_`; anything else is an address, which the API judges. */
function callbackOf(address: string): Callback {
  return address.startsWith("whe_") ? { endpoint: address } : { url: address };
}

async function executeCommand(cli: Cli, engine: string, options: ExecuteOptions): Promise<void> {
  const { terminal, signal } = cli;
  const json = options.json === true;
  const role = options.plane ? "plane" : "program";
  const wait = options.wait === true || options.waitTimeout !== undefined;
  const client = connect(cli.config, role);
  const input = await readInput(options, cli.stdin);
  // Someone who watches sees the steps; otherwise the submit itself may be held until the end, as long as it comes soon.
  const hold = wait && options.waitTimeout === undefined && !terminal.watched ? 3 : undefined;
  const accepted = await client.execute(engine, input, {
    priority: options.priority,
    delay: options.delay,
    runAt: options.runAt,
    ttl: options.ttl,
    timeout: options.timeout,
    maxAttempts: options.maxAttempts,
    tags: options.tag,
    metadata: options.metadata && Object.fromEntries(options.metadata),
    idempotencyKey: options.idempotencyKey,
    callback: options.callback === undefined ? undefined : callbackOf(options.callback),
    wait: hold,
    signal,
  });
  let result: Accepted | Execution = accepted;
  if (wait && !(accepted.done && isDescribed(accepted))) {
    const { waitTimeout } = options;
    result = await waitForIt(cli, accepted, { role, waitTimeout, json });
  }
  terminal.write(json ? JSON.stringify(result) : showExecution(result, terminal));
  if (!wait && terminal.watched && !json) {
    terminal.note(terminal.paintNote("dim", `See how it goes: tl status ${result.execution_id}`));
  }
  if (wait) cli.setExitCode(exitCodeOf(result));
}
