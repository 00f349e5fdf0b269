import { prepareCredentials, type PreparedCredentials } from "./auth/authorize.ts";
import { connectionUrls, type ConnectionUrls } from "./connection-url.ts";
import { type Connection } from "./ports.ts";
import { checkHeaders } from "./request-headers.ts";

/** A connection, and what of it can be worked out once for all its calls. */
export class Route {
  readonly connection: Connection;
  readonly urls: ConnectionUrls;
  #headers: Readonly<Record<string, string>> | null = null;
  #credentials: PreparedCredentials | null | undefined = undefined;

  /** @throws OutboundRefusedError for a base URL that is none */
  constructor(connection: Connection) {
    this.connection = connection;
    this.urls = connectionUrls(connection);
  }

  /**
   * Those that the connection sends with every request.
   *
   * @throws OutboundRefusedError for those that no request can carry
   */
  get headers(): Readonly<Record<string, string>> {
    return (this.#headers ??= checkHeaders(this.connection.headers));
  }

  /**
   * See {@link prepareCredentials}.
   *
   * @throws OutboundRefusedError for those that no request can carry
   */
  get credentials(): PreparedCredentials | null {
    if (this.#credentials === undefined) this.#credentials = prepareCredentials(this.connection);
    return this.#credentials;
  }
}

/** Finds the route of a connection: the same as before, while the connection is. */
export type RouteOf = (connection: Connection) => Route;

/** See {@link RouteOf}. */
export function createRoutes(): RouteOf {
  const routes = new WeakMap<Connection, Route>();
  return (connection) => {
    let route = routes.get(connection);
    if (route === undefined) routes.set(connection, (route = new Route(connection)));
    return route;
  };
}
