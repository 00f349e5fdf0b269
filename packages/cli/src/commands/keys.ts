import type { Key, KeyWithSecret } from "@tl-engine/client";
import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { connect } from "../connect.ts";
import {
  countOrNoneOption,
  durationOption,
  repeatedOption,
  timeOption,
} from "../option-parsers.ts";
import { formatTable, type Cell } from "../table.ts";
import { printable, type Terminal } from "../terminal.ts";

interface CreateOptions extends GlobalOptions {
  name: string;
  scope?: string[];
  engine?: string[];
  rateLimit?: number | "none";
  expires?: Date;
}

export function addKeysCommand(program: Command, cli: Cli): void {
  const keys = program
    .command("keys")
    .summary("programs' keys: create, list, revoke, reroll")
    .description("Programs' keys. These commands call as tl-plane.");

  keys
    .command("create")
    .description("Make a key for a program. It is shown this once.")
    .requiredOption("--name <name>", "who will use it")
    .option(
      "--scope <scope>",
      "what it may do (repeatable); without any: read, execute, cancel",
      repeatedOption,
    )
    .option("--engine <id>", "an engine it may use (repeatable); without any: all", repeatedOption)
    .option(
      "--rate-limit <n|none>",
      "requests in a window; without: the server's default",
      countOrNoneOption,
    )
    .option("--expires <time>", "when it ends, as 2027-01-31T00:00:00Z or 30d", timeOption)
    .action(async (_: unknown, command: Command) => {
      const { name, scope, engine, rateLimit, expires, json } =
        command.optsWithGlobals<CreateOptions>();
      const made = await connect(cli.config, "plane").keys.create(
        {
          name,
          ...(scope ? { scopes: scope } : {}),
          ...(engine ? { engines: engine } : {}),
          ...(rateLimit === undefined
            ? {}
            : { rate_limit: rateLimit === "none" ? null : rateLimit }),
          ...(expires ? { expires_at: expires.toISOString() } : {}),
        },
        { signal: cli.signal },
      );
      tellSecret(cli.terminal, made, json);
    });

  keys
    .command("list")
    .description("List all keys, the revoked ones too.")
    .action(async (_: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const all = await connect(cli.config, "plane").keys.list({ signal: cli.signal });
      cli.terminal.write(json ? JSON.stringify({ keys: all }) : showKeys(all, cli.terminal));
    });

  keys
    .command("revoke")
    .description("End a key for good; it is refused within 5 s everywhere.")
    .argument("<id>", "the key's id, not the key")
    .action(async (id: string, _: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      await connect(cli.config, "plane").keys.revoke(id, { signal: cli.signal });
      cli.terminal.write(
        json ? JSON.stringify({ id, revoked: true }) : `The key ${id} is revoked.`,
      );
    });

  keys
    .command("reroll")
    .description("Give a key a new secret. It is shown this once.")
    .argument("<id>", "the key's id, not the key")
    .option(
      "--overlap <duration>",
      "how long the old one still works (default: not at all, at most 7d)",
      durationOption,
    )
    .action(async (id: string, _: unknown, command: Command) => {
      const { overlap, json } = command.optsWithGlobals<GlobalOptions & { overlap?: string }>();
      const made = await connect(cli.config, "plane").keys.reroll(id, {
        signal: cli.signal,
        ...(overlap === undefined ? {} : { overlap }),
      });
      tellSecret(cli.terminal, made, json);
    });
}

/** The key alone on stdout, so that `$(tl keys create …)` is it; the rest beside it. */
function tellSecret(terminal: Terminal, key: KeyWithSecret, json: boolean | undefined): void {
  if (json) {
    terminal.write(JSON.stringify(key));
    return;
  }
  terminal.note(`Key ${key.id} (${printable(key.name)}). Keep it now: it is shown this once.`);
  terminal.write(key.key);
}

function showKeys(keys: readonly Key[], { paint }: Terminal): string {
  if (keys.length === 0) return "There are none. Make one with: tl keys create --name …";
  const head = ["ID", "NAME", "ENDS IN", "STATE", "RATE LIMIT", "ENGINES", "SCOPES", "LAST USED"];
  return formatTable([
    head.map((text): Cell => ({ text, paint: (t) => paint("dim", t) })),
    ...keys.map((key): Cell[] => [
      key.id,
      key.name,
      `…${key.last_four}`,
      { text: stateOf(key), paint: (t) => paint(t === "active" ? "green" : "yellow", t) },
      key.rate_limit === null ? "none" : String(key.rate_limit),
      key.engines === null ? "all" : key.engines.join(", "),
      key.scopes.join(", "),
      key.last_used_at ?? "never",
    ]),
  ]);
}

function stateOf(key: Key): string {
  if (key.revoked_at !== null) return "revoked";
  if (!key.is_active) return "off";
  return key.expires_at !== null && Date.parse(key.expires_at) <= Date.now() ? "expired" : "active";
}
