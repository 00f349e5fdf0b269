import { OutboundRefusedError } from "../errors.ts";
import { type OutboundRequest } from "../exchange.ts";
import { type Connection, type ConnectionAuth, type TokenSource } from "../ports.ts";
import { checkHeaders } from "../request-headers.ts";
import { bearer, credentialsOf, type Credentials, type OwnAuth } from "./credentials.ts";

/** A request with the connection's credentials on it: for the wire alone, never for a log or an error. */
export interface AuthorizedRequest {
  readonly request: OutboundRequest;
  /** Lower-case names of the headers that are credentials: hidden in the log, and never sent to another origin. */
  readonly credentialHeaders: ReadonlySet<string>;
  /** Names of the members of the query that are credentials. An address with them is shown to nobody. */
  readonly credentialQuery: ReadonlySet<string>;
  /** The access token that was used, to be said as `stale` when it is refused with 401; null: none. */
  readonly accessToken: string | null;
}

export interface AuthorizeOptions {
  /** The access token that the other side has just refused with 401. Default: none. */
  readonly stale?: string | null;
  /** What a signature calls the message, stable over its tries. Default: the request's Idempotency-Key. */
  readonly messageId?: string;
  /** Default: this machine's clock. */
  readonly now?: () => Date;
}

/**
 * Puts a connection's credentials on a request, of whatever protocol has headers. Called anew for each try and each
 * redirect, with the request as it was before, and only where {@link isOwnOrigin} says that the target may have them:
 * a signature lives for minutes, a token may have been renewed, and a body may have been left behind.
 *
 * @throws OutboundRefusedError where the request brings a header or a member of the query that the connection sets, or
 *   the credential cannot be written; what the token source throws; the signal's reason
 */
export async function authorize(
  request: OutboundRequest,
  connection: Connection,
  ports: { readonly tokens: TokenSource },
  signal: AbortSignal,
  options: AuthorizeOptions = {},
): Promise<AuthorizedRequest> {
  const now = authorizeNow(request, connection, options);
  if (now !== null) return now;
  const accessToken = await ports.tokens.token(connection, options.stale ?? null, signal);
  return withCredentials(request, connection, prepare(bearer(accessToken)), accessToken);
}

/**
 * {@link authorize} for a connection that has its credentials itself; null where a token has to be asked for.
 *
 * @param prepared what {@link prepareCredentials} gave for it
 * @throws OutboundRefusedError as there
 */
export function authorizeNow(
  request: OutboundRequest,
  connection: Connection,
  options: Pick<AuthorizeOptions, "messageId" | "now"> = {},
  prepared: PreparedCredentials | null = null,
): AuthorizedRequest | null {
  if (prepared !== null) return withCredentials(request, connection, prepared, null);
  const { auth } = connection;
  if (isByToken(auth)) return null;
  const { messageId } = options;
  const now = options.now?.() ?? new Date();
  const credentials = credentialsOf(auth, request, { messageId, now });
  return withCredentials(request, connection, prepare(credentials), null);
}

/** Credentials that are the same for every request. */
export interface PreparedCredentials extends Credentials {
  readonly headerNames: ReadonlySet<string>;
  readonly queryNames: ReadonlySet<string>;
}

/**
 * The credentials of a connection that are the same for every request; null where they are made for each (a signature)
 * or have to be asked for (a token).
 *
 * @throws OutboundRefusedError for what no request can carry; messages name no value
 */
export function prepareCredentials({ auth }: Connection): PreparedCredentials | null {
  if (isByToken(auth) || auth.type === "hmac") return null;
  const nothing = { method: "GET", path: "/", headers: {}, body: null };
  return prepare(credentialsOf(auth, nothing, { now: new Date(0) }));
}

function isByToken(auth: ConnectionAuth): auth is Exclude<ConnectionAuth, OwnAuth> {
  return auth.type === "oauth2_client_credentials" || auth.type === "oauth2_refresh_token";
}

function prepare(credentials: Credentials): PreparedCredentials {
  const headers = checkHeaders(credentials.headers);
  return {
    headers,
    query: credentials.query,
    headerNames: new Set(Object.keys(headers)),
    queryNames: new Set(Object.keys(credentials.query)),
  };
}

function withCredentials(
  request: OutboundRequest,
  { id }: Connection,
  { headers, query, headerNames, queryNames }: PreparedCredentials,
  accessToken: string | null,
): AuthorizedRequest {
  for (const name of headerNames) {
    // Taking the request's own would let whoever wrote it speak as somebody else through this connection.
    if (Object.hasOwn(request.headers, name)) {
      throw new OutboundRefusedError(`the header ${name} is set by the connection ${id}`);
    }
  }
  return {
    request: {
      method: request.method,
      path: queryNames.size === 0 ? request.path : withQuery(request.path, id, query),
      headers: { ...request.headers, ...headers },
      body: request.body,
    },
    credentialHeaders: headerNames,
    credentialQuery: queryNames,
    accessToken,
  };
}

function withQuery(path: string, id: string, query: Credentials["query"]): string {
  const entries = Object.entries(query);
  const at = path.indexOf("?");
  const given = new URLSearchParams(at < 0 ? "" : path.slice(at));
  for (const [name] of entries) {
    if (given.has(name)) {
      throw new OutboundRefusedError(
        `the query's member ${JSON.stringify(name)} is set by the connection ${id}`,
      );
    }
  }
  const separator = at < 0 ? "?" : path.endsWith("?") || path.endsWith("&") ? "" : "&";
  // Added as text: writing the whole query anew would change how the rest of it is encoded.
  return path + separator + new URLSearchParams(query).toString();
}
