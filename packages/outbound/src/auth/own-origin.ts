import { type Connection } from "../ports.ts";

/** Schemes that differ in the protocol alone: a WebSocket's address is HTTP's until it is upgraded. */
const HTTP_OF: Readonly<Record<string, string>> = { "ws:": "http:", "wss:": "https:" };

/**
 * Whether a target may have the connection's credentials: it is of the same scheme, host and port as the base URL.
 * Another port is another program, and http is everybody's to read.
 */
export function isOwnOrigin(connection: Connection, target: URL): boolean {
  const base = URL.parse(connection.baseUrl);
  return base !== null && placeOf(base) === placeOf(target);
}

/** `URL.origin` says "null" for every scheme that is no browser's. */
function placeOf({ protocol, host }: URL): string {
  return `${HTTP_OF[protocol] ?? protocol}//${host}`;
}
