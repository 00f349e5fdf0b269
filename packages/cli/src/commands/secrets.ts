import type { RotatedColumn } from "@tl-engine/shared/secrets/rotate-secrets.ts";
import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { exitCodes } from "../explain-error.ts";
import { formatTable, type Cell } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../usage-error.ts";

export function addSecretsCommand(program: Command, cli: Cli): void {
  const secrets = program
    .command("secrets")
    .summary("what is kept encrypted: move it to a new key")
    .description("What is kept encrypted with TL_SECRET_KEY.");

  secrets
    .command("rotate")
    .description(
      "Encrypt every stored secret anew with the first key of TL_SECRET_KEY. " +
        "Run it where the processes run, with their environment; it works on the database itself. " +
        "It may run beside everything else, be broken off, and run again.",
    )
    .action(async (_: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const columns = await rotate(cli);
      const left = columns.some(({ unreadable }) => Object.keys(unreadable).length > 0);
      cli.terminal.write(json ? JSON.stringify({ columns }) : show(columns, cli.terminal));
      if (!left) return;
      cli.terminal.note(
        "Some can't be read and stay as they are: add the key that is missing as the last value of TL_SECRET_KEY, or enter them anew.",
      );
      cli.setExitCode(exitCodes.failed);
    });
}

async function rotate({ config, terminal }: Cli): Promise<RotatedColumn[]> {
  // The other commands speak to the API alone, and do without all of this.
  const [
    { readEnvironment },
    { openDatabase, closeDatabase },
    { openSecretBox },
    { rotateSecrets },
  ] = await Promise.all([
    import("@tl-engine/shared/config/config.ts"),
    import("@tl-engine/shared/db/database.ts"),
    import("@tl-engine/shared/secrets/open-secret-box.ts"),
    import("@tl-engine/shared/secrets/rotate-secrets.ts"),
  ]);
  const { config: settings, problems } = readEnvironment(config.deployment().env);
  if (settings === null) throw new UsageError(problems.join(" "));
  const box = openSecretBox(settings);
  if (box === null)
    throw new UsageError(
      "TL_SECRET_KEY is not set: set it to the new key, then the old one, as new,old.",
    );
  if (settings.databaseUrl === null) {
    throw new UsageError("DATABASE_URL is not set, and no embedded PostgreSQL runs here.");
  }
  const db = openDatabase({
    url: settings.databaseUrl,
    max: 1,
    applicationName: "tl-secrets",
    onError: () => undefined,
  });
  try {
    terminal.note(`Encrypting with key ${box.currentKeyId} …`);
    return await rotateSecrets(db.pool, box);
  } catch (error) {
    throw new UsageError(`the database can't be worked on: ${(error as Error).message}`);
  } finally {
    await closeDatabase(db);
  }
}

function show(columns: readonly RotatedColumn[], { paint }: Terminal): string {
  return formatTable([
    ["WHERE", "STORED", "ENCRYPTED ANEW", "UNREADABLE"].map((text): Cell => ({
      text,
      paint: (t) => paint("dim", t),
    })),
    ...columns.map(({ table, column, total, rotated, unreadable }): Cell[] => [
      `${table}.${column}`,
      String(total),
      String(rotated),
      Object.entries(unreadable)
        .map(([reason, count]) => `${count} ${reason}`)
        .join(", ") || "0",
    ]),
  ]);
}
