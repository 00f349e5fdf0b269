/** What a connection speaks. */
export const connectionKinds = ["http", "grpc", "websocket", "smtp"] as const;
export type ConnectionKind = (typeof connectionKinds)[number];

/** A connection's id: the operator's own word. */
export const connectionIdPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Schemes of a base URL by kind: in plain text, and over TLS. */
export const connectionSchemes = {
  http: ["http", "https"],
  grpc: ["grpc", "grpcs"],
  websocket: ["ws", "wss"],
  smtp: ["smtp", "smtps"],
} as const satisfies Record<ConnectionKind, readonly [plain: string, secure: string]>;

/** Kinds whose addresses are a host and a port alone. */
const withoutPath: readonly ConnectionKind[] = ["grpc", "smtp"];

/** Whether calls to an address are encrypted from their first byte. */
export function isSecureBaseUrl(baseUrl: string): boolean {
  return Object.values(connectionSchemes).some(([, secure]) => baseUrl.startsWith(`${secure}://`));
}

/** The ports that these schemes stand for; of the others, a port is kept as it is written. */
const ownPorts: Readonly<Record<string, number>> = { http: 80, https: 443, ws: 80, wss: 443 };

/**
 * Reads an address as every HTTP client does (the host lower-cased, `127.1` written out, `..` resolved) for the schemes
 * that the URL standard leaves alone, too.
 * @returns the address without a slash at its end, or what is wrong with it ("must …")
 */
export function readBaseUrl(
  text: string,
  kind: ConnectionKind,
): { url: string } | { wrong: string } {
  const [plain, secure] = connectionSchemes[kind];
  const forms = `${plain}://host or ${secure}://host`;
  const match = /^([a-z]+):\/\/([^/?#\\]*)([^?#\\]*)$/i.exec(text);
  if (match === null || !/^[\x21-\x7e]+$/.test(text)) {
    return {
      wrong: `must be an address such as ${forms}, without a query, a fragment, spaces or backslashes`,
    };
  }
  const [, given = "", authority = "", path = ""] = match;
  const scheme = given.toLowerCase();
  if (scheme !== plain && scheme !== secure) {
    return { wrong: `must begin with ${plain}:// or ${secure}://, as the kind is ${kind}` };
  }
  if (authority.includes("@")) {
    return { wrong: "must not hold a user name or password; they belong into auth" };
  }
  const parsed = URL.parse(`http://${authority}${path}`);
  // The parser leaves out a port that is HTTP's own; written under another scheme it says something.
  const port = /:([0-9]{1,5})$/.exec(authority)?.[1];
  if (parsed === null || parsed.hostname === "" || (port !== undefined && Number(port) === 0)) {
    return { wrong: `must name a host, and a port from 1 to 65535 where it names one: ${forms}` };
  }
  const pathname = withoutSlashes(parsed.pathname);
  if (pathname !== "" && withoutPath.includes(kind)) {
    return { wrong: `must not have a path: a ${kind} address is a host and a port` };
  }
  const shown = port === undefined || Number(port) === ownPorts[scheme] ? "" : `:${Number(port)}`;
  return { url: `${scheme}://${parsed.hostname}${shown}${pathname}` };
}

/** A path without slashes at its end. */
function withoutSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end -= 1;
  return path.slice(0, end);
}
