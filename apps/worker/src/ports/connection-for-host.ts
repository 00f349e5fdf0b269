import type { Connection } from "@tl-engine/outbound";

/**
 * A connection as hosts get it: without what is of use to a token endpoint alone, since tokens are fetched by the
 * worker's own thread. An engine's mistake cannot give away what its host does not have.
 */
export function connectionForHost(connection: Connection): Connection {
  const { auth } = connection;
  switch (auth.type) {
    case "oauth2_client_credentials":
      return { ...connection, auth: { ...auth, clientSecret: null, privateKey: null } };
    case "oauth2_refresh_token":
      return {
        ...connection,
        auth: { ...auth, clientSecret: null, privateKey: null, refreshToken: "" },
      };
    default:
      return connection;
  }
}
