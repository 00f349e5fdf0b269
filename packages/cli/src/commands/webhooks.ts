import type {
  CallbackDelivery,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from "@tl-engine/client";
import { webhookEvents } from "@tl-engine/contract";
import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { exitCodes } from "../explain-error.ts";
import { durationOption, repeatedOption } from "../option-parsers.ts";
import { formatTable, type Cell } from "../table.ts";
import { printable, type Terminal } from "../terminal.ts";
import { UsageError } from "../usage-error.ts";

interface WebhookOptions extends GlobalOptions {
  plane?: true;
  event?: string[];
  engine?: string[];
  description?: string;
  overlap?: string;
}

const knownEvents: ReadonlySet<string> = new Set(webhookEvents);

/** Words as callers say them, `failed`, or as they are on the wire, `execution.failed`. */
function eventsOf(words: readonly string[]): (typeof webhookEvents)[number][] {
  return words.map((word) => {
    const event = word.includes(".") ? word : `execution.${word}`;
    if (!knownEvents.has(event)) {
      throw new UsageError(
        `--event takes ${webhookEvents.map((one) => one.split(".")[1]).join(", ")}.`,
      );
    }
    return event as (typeof webhookEvents)[number];
  });
}

export function addWebhooksCommand(program: Command, cli: Cli): void {
  const { terminal, signal } = cli;
  const webhooks = program
    .command("webhooks")
    .summary("who is told of what executions come to: create, test, …")
    .description("Webhook endpoints of the program, or with --plane of tl-plane.");
  const add = (name: string, description: string): Command =>
    webhooks
      .command(name)
      .description(description)
      .option("--plane", "as tl-plane instead of the program");
  const optionsOf = (command: Command) => command.optsWithGlobals<WebhookOptions>();
  const api = ({ plane }: WebhookOptions) =>
    connect(cli.config, plane ? "plane" : "program").webhooks;

  add("list", "List the endpoints; with --plane everybody's.").action(
    async (_: unknown, command: Command) => {
      const options = optionsOf(command);
      const all = await api(options).list({ signal });
      terminal.write(
        options.json ? JSON.stringify({ webhook_endpoints: all }) : showAll(all, terminal),
      );
    },
  );

  add("create", "Register an address. Its secret is shown this once.")
    .argument("<url>", "an http or https address")
    .option(
      "--event <event>",
      "succeeded, failed, canceled, expired (repeatable; default all)",
      repeatedOption,
    )
    .option("--engine <id>", "hears of this engine's executions alone (repeatable)", repeatedOption)
    .option("--description <text>", "what it is for")
    .action(async (url: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const made = await api(options).create(
        {
          url,
          ...(options.event && { events: eventsOf(options.event) }),
          ...(options.engine && { engines: options.engine }),
          ...(options.description !== undefined && { description: options.description }),
        },
        { signal },
      );
      tellSecret(made, options, terminal, `Made ${made.id}. Try it: tl webhooks test ${made.id}`);
    });

  add("delete", "Remove an endpoint; what it is still owed is not sent.")
    .argument("<id>", "the endpoint's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      await api(options).delete(id, { signal });
      terminal.write(
        options.json ? JSON.stringify({ id, deleted: true }) : `Removed ${printable(id)}.`,
      );
    });

  add("enable", "Switch an endpoint on again.")
    .argument("<id>", "the endpoint's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const endpoint = await api(options).enable(id, { signal });
      terminal.write(options.json ? JSON.stringify(endpoint) : `${printable(id)} is on.`);
    });

  add("rotate", "Give an endpoint another secret, shown this once.")
    .argument("<id>", "the endpoint's id")
    .option("--overlap <duration>", "both sign for so long; default 24h", durationOption)
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const { overlap } = options;
      const rotated = await api(options).rotate(id, {
        signal,
        ...(overlap !== undefined && { overlap }),
      });
      tellSecret(
        rotated,
        options,
        terminal,
        `The old one signs too until ${rotated.previous_secret_ends_at ?? "now"}.`,
      );
    });

  add("test", "Send a test. Exit code 1 where it is not taken.")
    .argument("<id>", "the endpoint's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const delivery = await api(options).test(id, { signal });
      terminal.write(options.json ? JSON.stringify(delivery) : showDelivery(delivery, terminal));
      if (delivery.status !== "delivered") cli.setExitCode(exitCodes.failed);
    });

  add("callbacks", "Who is told of an execution's end, and what came of it.")
    .argument("<execution>", "the execution's id")
    .action(async (execution: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const callbacks = await api(options).callbacksOf(execution, { signal });
      const text = callbacks.map((one) => showDelivery(one, terminal)).join("\n");
      terminal.write(
        options.json ? JSON.stringify({ callbacks }) : text || "Nobody is told of it.",
      );
    });

  add("resend", "Send one again now, under the same webhook-id.")
    .argument("<execution>", "the execution's id")
    .argument("<callback>", "the callback's id")
    .action(async (execution: string, callback: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const delivery = await api(options).resend(execution, callback, { signal });
      terminal.write(options.json ? JSON.stringify(delivery) : showDelivery(delivery, terminal));
    });

  add("secret", "Show what signs the deliveries to a submit's callback URL.").action(
    async (_: unknown, command: Command) => {
      const options = optionsOf(command);
      const own = await api(options).callbackSecret({ signal });
      terminal.write(options.json ? JSON.stringify(own) : own.secret);
    },
  );
}

function tellSecret(
  endpoint: WebhookEndpointWithSecret,
  { json }: WebhookOptions,
  terminal: Terminal,
  note: string,
): void {
  terminal.write(json ? JSON.stringify(endpoint) : endpoint.secret);
  if (!json) terminal.note(printable(`${note} The secret is not shown again.`));
}

function showDelivery(delivery: CallbackDelivery, { paint }: Terminal): string {
  const { status, tries, last_status: answered, last_error: error, next_try_at: next } = delivery;
  const color = status === "delivered" ? "green" : status === "pending" ? "yellow" : "red";
  const facts = [
    `${tries} ${tries === 1 ? "try" : "tries"}`,
    error ?? (answered === null ? "" : `answered ${answered}`),
    next === null ? "" : `next at ${next}`,
  ].filter((fact) => fact !== "");
  return `${paint(color, status)}  ${printable(delivery.url)}  ${printable(facts.join("; "))}  ${paint("dim", delivery.id)}`;
}

function showAll(all: readonly WebhookEndpoint[], { paint }: Terminal): string {
  if (all.length === 0) return "There are none. Make one with: tl webhooks create <url>";
  const head = ["ID", "CALLER", "URL", "EVENTS", "ENGINES", "STATE"];
  return formatTable([
    head.map((text): Cell => ({ text, paint: (t) => paint("dim", t) })),
    ...all.map((one): Cell[] => [
      one.id,
      one.caller,
      one.url,
      one.events === null
        ? "all"
        : one.events.map((event) => event.replace("execution.", "")).join(", ") || "by name",
      one.engines === null ? "all" : one.engines.join(", "),
      { text: stateOf(one), paint: (t) => paint(t === "active" ? "green" : "yellow", t) },
    ]),
  ]);
}

function stateOf(endpoint: WebhookEndpoint): string {
  if (!endpoint.is_active) return `off (${endpoint.disabled_reason ?? "unknown"})`;
  return endpoint.failing_since === null ? "active" : `failing since ${endpoint.failing_since}`;
}
