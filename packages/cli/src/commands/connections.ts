import type { Connection, ConnectionTestResult, CreateConnectionBody } from "@tl-engine/client";
import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connectionBody } from "../connection-body.ts";
import { addConnectionOptions, type ConnectionOptions } from "../connection-options.ts";
import { connect } from "../connect.ts";
import { exitCodes } from "../explain-error.ts";
import { formatTable, type Cell } from "../table.ts";
import { printable, printableJson, type Terminal } from "../terminal.ts";
import { UsageError } from "../usage-error.ts";

/** Kinds by the scheme of their addresses. */
const kinds: Readonly<Record<string, string>> = {
  http: "http",
  https: "http",
  grpc: "grpc",
  grpcs: "grpc",
  ws: "websocket",
  wss: "websocket",
  smtp: "smtp",
  smtps: "smtp",
};

export function addConnectionsCommand(program: Command, cli: Cli): void {
  const { terminal, signal } = cli;
  const api = () => connect(cli.config, "plane").connections;
  const connections = program
    .command("connections")
    .summary("ways to reach outside systems: create, change, test, …")
    .description("Ways to reach outside systems. These commands call as tl-plane.");

  connections
    .command("list")
    .description("List all connections.")
    .action(async (_: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const all = await api().list({ signal });
      terminal.write(json ? JSON.stringify({ connections: all }) : showAll(all, terminal));
    });

  connections
    .command("show")
    .description("Show a connection, without its secrets.")
    .argument("<id>", "the connection's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      tell(await api().get(id, { signal }), json, terminal);
    });

  addConnectionOptions(
    connections
      .command("create")
      .description("Make a connection. Its secrets are kept encrypted and never shown.")
      .argument("[id]", "a word for it, such as crm; may stand in --file"),
  ).action(async (id: string | undefined, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<ConnectionOptions>();
    const body = await connectionBody(options, cli, () => Promise.resolve({}));
    if (id !== undefined) body["id"] = id;
    body["kind"] ??= kinds[String(body["base_url"]).split(":")[0]?.toLowerCase() ?? ""] ?? "http";
    // The API says what is wrong with it.
    const made = await api().create(body as unknown as CreateConnectionBody, { signal });
    tell(made, options.json, terminal, `Made ${made.id}. Try it: tl connections test ${made.id}`);
  });

  addConnectionOptions(
    connections
      .command("change")
      .description("Change what is given; secrets that are not given stay.")
      .argument("<id>", "the connection's id"),
  ).action(async (id: string, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<ConnectionOptions>();
    const body = await connectionBody(options, cli, async () => ({
      ...(await api().get(id, { signal })),
    }));
    if (Object.keys(body).length === 0) {
      throw new UsageError("there is nothing to change; see tl connections change --help.");
    }
    const changed = await api().change(id, body, { signal });
    tell(changed, options.json, terminal, `Changed ${id}.`);
  });

  connections
    .command("delete")
    .description("Delete a connection with its secrets. Executions that need it fail from then on.")
    .argument("<id>", "the connection's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      await api().delete(id, { signal });
      terminal.write(json ? JSON.stringify({ id, deleted: true }) : `Deleted ${printable(id)}.`);
    });

  connections
    .command("test")
    .description(
      "Let a worker make one call through it. Exit code 1 where it is not answered well.",
    )
    .argument("<id>", "the connection's id")
    .option("--path <path>", "what to ask for, below its base URL, such as /health")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json, path } = command.optsWithGlobals<GlobalOptions & { path?: string }>();
      const result = await api().test(id, { signal, ...(path === undefined ? {} : { path }) });
      terminal.write(json ? JSON.stringify(result) : showResult(id, result, terminal));
      if (!result.ok) cli.setExitCode(exitCodes.failed);
    });

  connections
    .command("reset-circuit")
    .description("Close its circuit: calls go through at once, and what is parked for it starts.")
    .argument("<id>", "the connection's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const reset = await api().resetCircuit(id, { signal });
      const text = `The circuit of ${printable(id)} is ${reset.circuit.state}; ${reset.released} executions waited for it.`;
      terminal.write(json ? JSON.stringify(reset) : text);
    });
}

function tell(
  connection: Connection,
  json: boolean | undefined,
  terminal: Terminal,
  note = "",
): void {
  terminal.write(json ? JSON.stringify(connection) : printableJson(connection));
  if (note !== "" && !json) terminal.note(printable(note));
}

function showResult(id: string, result: ConnectionTestResult, { paint }: Terminal): string {
  const { ok, status, duration_ms: ms, error, execution_id: execution } = result;
  const time = ms === null ? "" : ` in ${Math.round(ms)} ms`;
  if (ok) return `${paint("green", "ok")}  ${printable(id)} answered ${status}${time}`;
  const why = error === null ? "" : printable(`${error.code}: ${error.detail}`);
  return [
    `${paint("red", "failed")}  ${printable(id)}${time}: ${why}`,
    paint("dim", `its call is on record: tl calls ${execution}`),
  ].join("\n");
}

function showAll(all: readonly Connection[], { paint }: Terminal): string {
  if (all.length === 0) return "There are none. Make one with: tl connections create --help";
  const head = ["ID", "KIND", "BASE URL", "AUTH", "STATE", "ENGINES", "CALLERS"];
  const listed = (names: readonly string[] | null) => (names === null ? "all" : names.join(", "));
  return formatTable([
    head.map((text): Cell => ({ text, paint: (t) => paint("dim", t) })),
    ...all.map((one): Cell[] => [
      one.id,
      one.kind,
      one.base_url,
      one.auth.type,
      {
        text: one.is_active ? "active" : "off",
        paint: (t) => paint(one.is_active ? "green" : "yellow", t),
      },
      listed(one.engines),
      listed(one.callers),
    ]),
  ]);
}
