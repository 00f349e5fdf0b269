import { connectionUrls } from "./connection-url.ts";
import { type HttpClient } from "./http-client.ts";
import { HttpCall, type Route } from "./http-call.ts";
import { type Connecting } from "./send-hop.ts";
import { type CallScope } from "./scope.ts";

/**
 * An HTTP client for one attempt of one execution: to plain addresses, or through one connection, which is looked up for
 * its first request.
 */
export function createHttpClient(
  connecting: Connecting,
  scope: CallScope,
  connectionId?: string,
): HttpClient {
  let calls = 0;
  let route: Promise<Route> | null = null;

  const findRoute = (id: string): Promise<Route> => {
    route ??= scope.connections.connection(id, "http").then(
      (connection) => ({ connection, urls: connectionUrls(connection) }),
      (error: unknown) => {
        route = null; // it may be there for the next one
        throw error;
      },
    );
    return route;
  };

  return {
    request(url, options = {}) {
      calls++;
      const call = new HttpCall(connecting, scope, options, options.step ?? String(calls));
      return connectionId === undefined
        ? call.run(url, null)
        : call.through(connectionId, findRoute, url);
    },
  };
}
