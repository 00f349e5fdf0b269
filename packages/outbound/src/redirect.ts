import { OutboundRefusedError } from "./errors.ts";
import { type OutboundRequest } from "./exchange.ts";
import { readTarget, type Target } from "./target.ts";

/** Redirects followed in one call; one more is an error. */
export const MAX_REDIRECTS = 3;

/**
 * Headers that say something about the request and nothing about who sends it. Only these follow a
 * redirect to another origin: a list of secrets to drop would always lack one (X-API-Key, X-Auth-Token,
 * Ocp-Apim-Subscription-Key …).
 */
const KEPT_ACROSS_ORIGINS: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "content-language",
  "content-type",
  "idempotency-key",
  "range",
  "traceparent",
  "user-agent",
]);

/** Headers of an answer that names where to go. */
export type Redirecting = Readonly<Record<string, string>> & { readonly location: string };

/** Whether an answer asks to go elsewhere. 300 and 304 do not, nor does a `Refresh` header. */
export function isRedirect(
  status: number,
  headers: Readonly<Record<string, string>>,
): headers is Redirecting {
  return [301, 302, 303, 307, 308].includes(status) && headers["location"] !== undefined;
}

/** A request and where it goes. */
export interface Hop {
  readonly target: Target;
  /** Without the credentials of a connection: they are put on anew for each hop that may have them. */
  readonly request: OutboundRequest;
  /** Whether neither this hop nor one before it left the origin of the call's connection. */
  readonly own: boolean;
  /** Whether its path is a secret: the call's connection says so, and a server may repeat it wherever it leads. */
  readonly hidesPath: boolean;
}

/**
 * The request that follows a redirect, by RFC 9110 §15.4: 303 turns all but HEAD into GET, 301 and 302
 * turn POST into GET as browsers do, 307 and 308 repeat the request. The new target has yet to be
 * judged like any other.
 *
 * @param credentialQuery members of the query that are credentials of the connection. A server that repeats the whole
 *   query in its Location would else hand them to wherever that leads, and to whoever reads the answer's address.
 * @throws OutboundRefusedError for a Location that is not allowed or leads from https to http.
 */
export function followRedirect(
  hop: Hop,
  status: number,
  location: string,
  credentialQuery: ReadonlySet<string> | null = null,
): Hop {
  const target = readTarget(location, hop.target.url);
  takeFromQuery(target.url, credentialQuery ?? []);
  if (hop.target.secure && !target.secure) {
    throw new OutboundRefusedError(
      `a redirect from ${hop.target.url.host} leads from https to http`,
    );
  }
  const { method } = hop.request;
  const becomesGet =
    (status === 303 && method !== "HEAD") ||
    ((status === 301 || status === 302) && method === "POST");
  const sameOrigin = hop.target.url.origin === target.url.origin;

  const headers = Object.fromEntries(
    Object.entries(hop.request.headers).filter(
      ([name]) =>
        (sameOrigin || KEPT_ACROSS_ORIGINS.has(name)) && !(becomesGet && speaksOfBody(name)),
    ),
  );
  return {
    target,
    own: hop.own && sameOrigin,
    hidesPath: hop.hidesPath,
    request: {
      method: becomesGet ? "GET" : method,
      path: target.url.pathname + target.url.search,
      headers,
      body: becomesGet ? null : hop.request.body,
    },
  };
}

/**
 * The headers of an answer as whoever asked may see them: a Location that nobody follows loses the connection's
 * credential as well as one that is followed. Where paths are secrets, it is left out, as a server may repeat them in it.
 */
export function withoutRepeated(
  headers: Readonly<Record<string, string>>,
  { target: { url: base }, hidesPath }: Pick<Hop, "target" | "hidesPath">,
  credentialQuery: ReadonlySet<string> | null,
): Readonly<Record<string, string>> {
  const { location, ...others } = headers;
  if (hidesPath) {
    const { "content-location": _, ...shown } = others;
    return shown;
  }
  if (location === undefined || credentialQuery === null || credentialQuery.size === 0)
    return headers;
  const url = URL.parse(location, base.href);
  // Where it is no address, nobody can say where in it the credential ends.
  if (url === null) return others;
  return takeFromQuery(url, credentialQuery) ? { ...headers, location: url.href } : headers;
}

/** Whether there was one of them. */
function takeFromQuery(url: URL, names: Iterable<string>): boolean {
  let had = false;
  for (const name of names) {
    if (!url.searchParams.has(name)) continue;
    url.searchParams.delete(name);
    had = true;
  }
  return had;
}

/** Headers that make no sense once a redirect has taken the body away. */
function speaksOfBody(name: string): boolean {
  return name.startsWith("content-") || name === "idempotency-key";
}
