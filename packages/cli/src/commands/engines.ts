import type { EngineDetail, EngineSummary } from "@tl-engine/client";
import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { addRegisterCommands } from "./register-engines.ts";
import { formatTable, type Cell } from "../table.ts";
import { printable, printableJson, type Style, type Terminal } from "../terminal.ts";

export function addEnginesCommand(program: Command, cli: Cli): void {
  const engines = program
    .command("engines")
    .summary("list the engines, show one, register remote ones")
    .description("List the engines, or show one with its schemas, defaults and an example.");
  addRegisterCommands(engines, cli);
  engines
    .argument("[id]", "an engine's id, as resize or resize@2")
    .action(async (id: string | undefined, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const { terminal, signal } = cli;
      const client = connect(cli.config, "program");
      if (id === undefined) {
        const engines = await client.engines({ signal });
        terminal.write(json ? JSON.stringify({ engines }) : showEngines(engines, terminal));
      } else {
        const engine = await client.engine(id, { signal });
        terminal.write(json ? JSON.stringify(engine) : showEngine(engine, terminal));
      }
    });
}

function showEngines(engines: readonly EngineSummary[], { paint }: Terminal): string {
  if (engines.length === 0) return "There are none: no worker has offered an engine yet.";
  return formatTable([
    ["ID", "VERSIONS", "STATE", "TITLE"].map((text): Cell => ({
      text,
      paint: (t) => paint("dim", t),
    })),
    ...engines.map((engine): Cell[] => [
      engine.id,
      engine.versions.join(", "),
      { text: engine.state, paint: (t) => paint(stateStyle(engine.state), t) },
      engine.title,
    ]),
  ]);
}

function showEngine(engine: EngineDetail, { paint }: Terminal): string {
  const { timeout, ttl, max_attempts: attempts, backoff, concurrency, isolation } = engine.defaults;
  const lines = [
    `${paint("bold", `${engine.id}@${engine.version}`)}  ${printable(engine.title)}  ${paint(stateStyle(engine.state), engine.state)}`,
    ...(engine.description ? [printable(engine.description)] : []),
    `${paint("dim", "versions")}  ${engine.versions.join(", ")}`,
    `${paint("dim", "timeout")}   ${timeout.default}, at most ${timeout.max}`,
    `${paint("dim", "ttl")}       ${ttl.default}, at most ${ttl.max}`,
    `${paint("dim", "attempts")}  ${attempts.default}, at most ${attempts.max}; backoff ${backoff.initial} × ${backoff.factor} up to ${backoff.max}`,
    `${paint("dim", "runs")}      ${isolation}, ${concurrency === null ? "no ceiling on how many at once" : `${concurrency} at once`}`,
    "input schema:",
    printableJson(engine.input_schema),
    "output schema:",
    printableJson(engine.output_schema),
  ];
  if (engine.example !== null && engine.example !== undefined) {
    const json = printable(JSON.stringify(engine.example)).replaceAll("'", String.raw`'\''`);
    lines.push("try it:", `  tl execute ${engine.id} --wait --input '${json}'`);
  }
  return lines.join("\n");
}

function stateStyle(state: EngineSummary["state"]): Style {
  return state === "active" ? "green" : "yellow";
}
