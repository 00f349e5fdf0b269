import type { Cli } from "./cli.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { readMembers } from "./read-members.ts";
import { readSource } from "./read-input.ts";
import { readSecret } from "./read-secret.ts";
import { UsageError } from "./usage-error.ts";

/** A JSON object, as a file or options give it; what is wrong with it the API says. */
export type Members = Record<string, unknown>;

/**
 * The body of a create or change.
 *
 * @param current what is kept already, asked for only where a secret is given without the rest of its `auth` or `tls`
 * @throws UsageError
 */
export async function connectionBody(
  options: ConnectionOptions,
  cli: Pick<Cli, "config" | "stdin">,
  current: () => Promise<Members>,
): Promise<Members> {
  const { secret: sources = [] } = options;
  const fromStdin = [options.file, ...sources.map((source) => source.replace(/^[\w.]+=/, ""))];
  if (fromStdin.filter((source) => source === "-").length > 1) {
    throw new UsageError("stdin (-) can be read only once.");
  }
  const file = options.file === undefined ? {} : await readMembers(options.file, cli.stdin);
  const body: Members = { ...file, ...plainMembers(options) };
  const auth = authOf(options);
  if (auth !== null) body["auth"] = auth;
  const tls = await tlsOf(options, cli);
  if (tls !== null) body["tls"] = tls;
  for (const source of sources) {
    // oxlint-disable-next-line no-await-in-loop -- stdin is one of them at most, and errors name the first
    await putSecret(body, source, cli, current);
  }
  return body;
}

function plainMembers(options: ConnectionOptions): Members {
  const { baseUrl, description, header, timeout, retries, concurrency, rate } = options;
  const given = {
    base_url: baseUrl,
    description,
    headers: header && Object.fromEntries(header),
    timeouts: timeout && { total: timeout, first_byte: timeout },
    retry: retries === undefined ? undefined : { max_retries: retries },
    methods: options.method,
    paths: options.path,
    concurrency: concurrency === "none" ? null : concurrency,
    rate,
    engines: options.engine,
    callers: options.caller,
    log: logOf(options),
    is_active: options.active,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Undefined: no option says anything of it. */
function logOf({ logBodies, hidePaths }: ConnectionOptions): object | undefined {
  if (logBodies === undefined && hidePaths === undefined) return undefined;
  return {
    ...(logBodies === undefined ? {} : { bodies: logBodies }),
    ...(hidePaths === undefined ? {} : { hide_paths: hidePaths }),
  };
}

/** `auth` without its secrets; null: no option says anything of it. */
function authOf(options: ConnectionOptions): Members | null {
  const { apiKeyHeader, apiKeyQuery, bearer, basic, oauth, hmac, auth } = options;
  const found: Members[] = [
    ...(apiKeyHeader === undefined ? [] : [{ type: "api_key", in: "header", name: apiKeyHeader }]),
    ...(apiKeyQuery === undefined ? [] : [{ type: "api_key", in: "query", name: apiKeyQuery }]),
    ...(bearer === true ? [{ type: "bearer" }] : []),
    ...(basic === undefined ? [] : [{ type: "basic", username: basic }]),
    ...(oauth === undefined ? [] : [oauthOf(oauth, options)]),
    ...(hmac === undefined ? [] : [hmacOf(hmac, options)]),
    ...(auth === false ? [{ type: "none" }] : []),
  ];
  if (found.length > 1) throw new UsageError("give one way to say who we are, not several.");
  const [one] = found;
  return one ?? null;
}

function oauthOf(clientId: string, options: ConnectionOptions): Members {
  const { tokenUrl, clientAuth = "basic", refreshToken, scope, audience } = options;
  return {
    type: refreshToken === true ? "oauth2_refresh_token" : "oauth2_client_credentials",
    client_id: clientId,
    client_auth: clientAuth,
    ...(tokenUrl === undefined ? {} : { token_url: tokenUrl }),
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
  };
}

function hmacOf(scheme: string, { signatureHeader, signaturePrefix }: ConnectionOptions): Members {
  return {
    type: "hmac",
    scheme,
    ...(signatureHeader === undefined ? {} : { header: signatureHeader }),
    ...(signaturePrefix === undefined ? {} : { prefix: signaturePrefix }),
  };
}

async function tlsOf(
  { ca, certificate }: ConnectionOptions,
  { stdin }: Pick<Cli, "stdin">,
): Promise<Members | null> {
  if (ca === undefined && certificate === undefined) return null;
  const read = (file: string) => readSource(file.startsWith("@") ? file : `@${file}`, stdin);
  return {
    ...(ca === undefined ? {} : { ca: await read(ca) }),
    ...(certificate === undefined ? {} : { certificate: await read(certificate) }),
  };
}

/** The secret that `--secret source` means, where the type has one that is needed. */
const onlySecret: Readonly<Record<string, string>> = {
  api_key: "value",
  bearer: "token",
  basic: "password",
  oauth2_client_credentials: "client_secret",
  hmac: "signing_secrets",
};

async function putSecret(
  body: Members,
  given: string,
  cli: Pick<Cli, "config" | "stdin">,
  current: () => Promise<Members>,
): Promise<void> {
  const [, named, source = given] = /^([a-z_.]+)=(.+)$/s.exec(given) ?? [];
  const secret = await readSecret(source, cli);
  const place = named?.startsWith("tls.") === true ? "tls" : "auth";
  const holder = { ...((body[place] as Members | undefined) ?? shown(await current(), place)) };
  body[place] = holder;
  const member = named?.replace(/^(tls|auth)\./, "") ?? memberOf(holder);
  const before = holder[member];
  holder[member] =
    member === "signing_secrets"
      ? [...(Array.isArray(before) ? (before as unknown[]) : []), secret]
      : secret;
}

function memberOf(auth: Members): string {
  const type = String(auth["type"]);
  const member = auth["client_auth"] === "private_key_jwt" ? "private_key" : onlySecret[type];
  if (member === undefined || type === "oauth2_refresh_token") {
    throw new UsageError("say which secret it is, as in --secret client_secret=env:CRM_SECRET.");
  }
  return member;
}

/** What is shown of `auth` or `tls`, as it is given. */
function shown(current: Members, place: "auth" | "tls"): Members {
  const { secrets: _secrets, ...rest } = (current[place] ?? {}) as Members;
  return rest;
}
