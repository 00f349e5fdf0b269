import {
  ProblemError,
  type Client,
  type EngineDetail,
  type RegisterEngine,
} from "@tl-engine/client";
import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import { readDefinitions } from "../read-definitions.ts";

/** Adds `register` and `unregister` to `tl engines`. */
export function addRegisterCommands(engines: Command, cli: Cli): void {
  const { terminal, signal } = cli;

  engines
    .command("register")
    .summary("offer engines whose work a service does, from a file")
    .description(
      "Register remote engines from a YAML or JSON file, or change those of the same id and version. Calls as tl-plane.",
    )
    .argument("<file>", "one definition, or several as YAML documents")
    .action(async (file: string, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const client = connect(cli.config, "plane");
      const made: EngineDetail[] = [];
      for (const definition of await readDefinitions(file)) {
        const { engine, isNew } = await registerOrChange(client, definition, signal);
        made.push(engine);
        if (!json) {
          const name = `${engine.id}@${engine.version}`;
          terminal.write(`${isNew ? "Registered" : "Changed"} ${name}. Try it: tl engines ${name}`);
        }
      }
      if (json) terminal.write(JSON.stringify({ engines: made }));
    });

  engines
    .command("unregister")
    .summary("take remote engines away")
    .description(
      "Unregister a remote engine. Refused while unfinished executions hold it. Calls as tl-plane.",
    )
    .argument("<id>", "resize for all its versions, or resize@2")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      await connect(cli.config, "plane").remoteEngines.unregister(id, { signal });
      terminal.write(json ? JSON.stringify({ id, unregistered: true }) : `Unregistered ${id}.`);
    });
}

/** A file is registered again after each change of it: what is there already is changed. */
async function registerOrChange(
  client: Client,
  definition: RegisterEngine,
  signal: AbortSignal,
): Promise<{ engine: EngineDetail; isNew: boolean }> {
  try {
    return { engine: await client.remoteEngines.register(definition, { signal }), isNew: true };
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "engine_exists") throw error;
    const { id, version, ...changes } = definition;
    try {
      const engine = await client.remoteEngines.change(`${id}@${version}`, changes, { signal });
      return { engine, isNew: false };
    } catch (second) {
      // It is not registered: workers have it.
      const isOther = second instanceof ProblemError && second.code === "engine_not_found";
      throw isOther ? error : second;
    }
  }
}
