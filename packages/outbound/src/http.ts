import { type HttpClient } from "./http-client.ts";
import { HttpCall } from "./http-call.ts";
import { type Route } from "./route.ts";
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

  const findRoute = (id: string): Route | Promise<Route> => {
    const found = scope.connections.connection(id, "http");
    return found instanceof Promise ? found.then(connecting.routeOf) : connecting.routeOf(found);
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
