import { connectionUrls } from "./connection-url.ts";
import { type HttpClient } from "./http-client.ts";
import { HttpCall, type Route } from "./http-call.ts";
import { type Connecting } from "./send-hop.ts";
import { type CallScope } from "./scope.ts";

/**
 * An HTTP client for one attempt of one execution: to plain addresses, or through one connection. That is looked up for
 * each request: a client that is kept for long hears of a new credential, and of its end.
 */
export function createHttpClient(
  connecting: Connecting,
  scope: CallScope,
  connectionId?: string,
): HttpClient {
  let calls = 0;
  let route: Route | null = null;

  const findRoute = async (id: string): Promise<Route> => {
    const connection = await scope.connections.connection(id, "http");
    if (route?.connection !== connection) route = { connection, urls: connectionUrls(connection) };
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
