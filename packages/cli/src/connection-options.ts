import { InvalidArgumentError, type Command } from "commander";
import type { GlobalOptions } from "./cli.ts";
import { countOrNoneOption, durationOption, pairOption, repeatedOption } from "./option-parsers.ts";

/** What `tl connections create` and `change` are given; the API says what is wrong with it. */
export interface ConnectionOptions extends GlobalOptions {
  file?: string;
  baseUrl?: string;
  description?: string;
  header?: [string, string][];
  apiKeyHeader?: string;
  apiKeyQuery?: string;
  bearer?: boolean;
  basic?: string;
  oauth?: string;
  tokenUrl?: string;
  clientAuth?: string;
  refreshToken?: boolean;
  scope?: string;
  audience?: string;
  hmac?: string;
  signatureHeader?: string;
  signaturePrefix?: string;
  auth?: boolean;
  secret?: string[];
  ca?: string;
  certificate?: string;
  timeout?: string;
  retries?: number;
  method?: string[];
  path?: string[];
  concurrency?: number | "none";
  rate?: { limit: number; per: string };
  engine?: string[];
  caller?: string[];
  logBodies?: boolean;
  hidePaths?: boolean;
  active?: boolean;
}

/** `100/1m`. */
function rateOption(text: string): { limit: number; per: string } {
  const [limit = "", per = "1s", ...more] = text.split("/");
  if (!/^[1-9]\d{0,6}$/.test(limit) || more.length > 0) {
    throw new InvalidArgumentError("It must be calls in a time, such as 100/1m.");
  }
  return { limit: Number(limit), per: durationOption(per) };
}

function retriesOption(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** Adds the options that making and changing have in common. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option("--file <file>", "the API's own members as JSON or YAML (- for stdin); options win")
    .option("--base-url <url>", "where it leads: https://, grpcs://, wss://, smtps://")
    .option("--description <text>", "what it is for")
    .option("--header <name=value>", "sent with every request (repeatable); shown", pairOption)
    .optionsGroup("Who we are (each with --secret):")
    .option("--bearer", "a token, in Authorization")
    .option("--api-key-header <name>", "a key in this header")
    .option("--api-key-query <name>", "a key in this member of the query")
    .option("--basic <user>", "user and password")
    .option("--oauth <client-id>", "OAuth 2.0 client credentials; with --token-url")
    .option("--token-url <url>", "OAuth: where tokens are fetched")
    .option("--client-auth <how>", "OAuth: basic (default), post or private_key_jwt")
    .option("--refresh-token", "OAuth: refresh token instead of client credentials")
    .option("--scope <scope>", "OAuth: what to ask for")
    .option("--audience <audience>", "OAuth: whom it is for")
    .option("--hmac <scheme>", "sign requests: standard_webhooks or sha256")
    .option("--signature-header <name>", "sha256: where the signature goes")
    .option("--signature-prefix <text>", "sha256: what stands before it, such as sha256=")
    .option("--no-auth", "none")
    .option(
      "--secret <[member=]source>",
      "a secret (repeatable): @file, - for stdin or env:NAME; the member where there are several, such as client_secret=env:CRM_SECRET or tls.private_key=@key.pem",
      repeatedOption,
    )
    .optionsGroup("TLS:")
    .option("--ca <file>", "authorities in PEM instead of the system's")
    .option("--certificate <file>", "ours, in PEM; its key by --secret tls.private_key=@file")
    .optionsGroup("Limits:")
    .option("--timeout <duration>", "of one try (default 30s)", durationOption)
    .option("--retries <n>", "tries after the first one (default 0)", retriesOption)
    .option("--method <method>", "one that may be used (repeatable); without: all", repeatedOption)
    .option("--path <pattern>", "one below the base URL (repeatable); without: all", repeatedOption)
    .option("--concurrency <n|none>", "calls at once over all workers", countOrNoneOption)
    .option("--rate <n/time>", "calls over all workers, such as 100/1m", rateOption)
    .option("--engine <id>", "an engine that may use it (repeatable); without: all", repeatedOption)
    .option("--caller <caller>", "plane or key:<id> (repeatable); without: all", repeatedOption)
    .option("--log-bodies", "keep bodies in the outbound log, redacted")
    .option("--hide-paths", "its paths are secrets (a chat webhook's): no log shows them")
    .option("--active", "switch it on")
    .option("--no-active", "switch it off");
}
