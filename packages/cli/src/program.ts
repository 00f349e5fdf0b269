import { Command } from "commander";
import type { Cli } from "./cli.ts";
import { addCallsCommand } from "./commands/calls.ts";
import { addCancelCommand } from "./commands/cancel.ts";
import { addConnectionsCommand } from "./commands/connections.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addEnginesCommand } from "./commands/engines.ts";
import { addExecuteCommand } from "./commands/execute.ts";
import { addKeysCommand } from "./commands/keys.ts";
import { addListCommand } from "./commands/list.ts";
import { addSecretsCommand } from "./commands/secrets.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addTokenCommand } from "./commands/token.ts";
import { addWebhooksCommand } from "./commands/webhooks.ts";
import manifest from "../package.json" with { type: "json" };

/** The commands of `tl`; each adds itself and says its own options. */
export function createProgram(cli: Cli): Command {
  const program = new Command("tl")
    .description("Submit work to tl-engine, watch it, and manage who may.")
    .version(manifest.version)
    .option("--json", "print the API's own JSON")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => cli.terminal.write(text.trimEnd()),
      writeErr: (text) => cli.terminal.note(text.trimEnd()),
      outputError: (text, write) =>
        write(text.replace(/^error: /, `${cli.terminal.paintNote("red", "tl:")} `)),
    })
    .exitOverride();

  program.commandsGroup("Executions:");
  addExecuteCommand(program, cli);
  addStatusCommand(program, cli);
  addListCommand(program, cli);
  addCancelCommand(program, cli);
  addCallsCommand(program, cli);
  program.commandsGroup("Engines:");
  addEnginesCommand(program, cli);
  addConnectionsCommand(program, cli);
  addWebhooksCommand(program, cli);
  program.commandsGroup("Callers:");
  addKeysCommand(program, cli);
  addTokenCommand(program, cli);
  program.commandsGroup("Operations:");
  addDoctorCommand(program, cli);
  addSecretsCommand(program, cli);
  program.commandsGroup("Help:").helpCommand("help [command]", "say more about a command");

  return program.addHelpText("after", helpEnd);
}

const helpEnd = `
Examples:
  tl engines
  tl execute echo --input '{"hello":"world"}' --wait
  tl execute analyze.table --input-text csv=@weather.csv --wait --json
  tl status 0199… --wait
  tl keys create --name billing --engine echo

Environment:
  TL_URL, TL_API_KEY   where the API is, and the key to call it with
  TL_DATA_DIR          folder of \`npm start\` (default .data); its secrets.json is used for what is not set
  TL_JWT_SECRET        signs tokens of \`tl token\`
  NO_COLOR             no colours

Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 not reachable.`;
