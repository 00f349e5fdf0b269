import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { type IncomingMessage, type ServerResponse } from "node:http";

import { Provider, type ClientMetadata } from "oidc-provider";

import { type OAuthClient } from "../ports.ts";
import { memoryAdapter } from "./memory-adapter.ts";
import { startHttp, type LoopbackServer } from "./loopback-server.ts";

/** A certified OAuth server on loopback. It knows one client for each kind of client authentication. */
export interface AuthorizationServer {
  readonly server: LoopbackServer;
  readonly tokenUrl: string;
  /** A client's side of what the server knows. */
  client(auth: OAuthClient["clientAuth"], facts?: Partial<OAuthClient>): OAuthClient;
  /** A refresh token for the client, as if somebody had consented. */
  newRefreshToken(clientId: string): Promise<string>;
  /** Whether an access token is known and alive. */
  isGood(accessToken: string): Promise<boolean>;
  /** Ends what a refresh token is good for, as an operator of the server might. */
  forget(refreshToken: string): Promise<void>;
  /** Requests for tokens so far. */
  fetches(): number;
  /** What happens to each request for a token before the server sees it. */
  onFetch: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  close(): Promise<void>;
}

/** Holds what form-encoding changes (RFC 6749 §2.3.1). */
export const CLIENT_SECRET = "pa ss:w+rd%2F&=~!*'()";
const KEY_ID = "client-key-1";

export interface AuthorizationServerOptions {
  /** Seconds that an access token lives. Default 3600. */
  readonly lifeSeconds?: number;
  /** Whether each use of a refresh token gives a new one and ends the old. Default true. */
  readonly rotates?: boolean;
}

export async function startAuthorizationServer(
  options: AuthorizationServerOptions = {},
): Promise<AuthorizationServer> {
  let fetches = 0;
  let handle: (
    request: IncomingMessage,
    response: ServerResponse,
  ) => Promise<void> = async () => {};
  const server = await startHttp((request, response) => void handle(request, response));
  const key = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const privateKey = key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const own = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const grants = {
    grant_types: ["client_credentials", "refresh_token", "authorization_code"],
    redirect_uris: ["https://client.test/back"],
    response_types: ["code"] as const,
  };
  const clients = [
    { client_id: "c:basic", client_secret: CLIENT_SECRET, method: "client_secret_basic" },
    { client_id: "c-post", client_secret: CLIENT_SECRET, method: "client_secret_post" },
    {
      client_id: "c-jwt",
      method: "private_key_jwt",
      jwks: {
        keys: [
          { ...createPublicKey(privateKey).export({ format: "jwk" }), kid: KEY_ID, use: "sig" },
        ],
      },
    },
  ].map(({ method, ...client }) => ({ ...client, ...grants, token_endpoint_auth_method: method }));
  const provider = new Provider(server.origin, {
    adapter: memoryAdapter(),
    jwks: { keys: [own.privateKey.export({ format: "jwk" })] },
    clients: clients as unknown as ClientMetadata[],
    scopes: ["openid", "offline_access", "orders:read"],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    rotateRefreshToken: options.rotates ?? true,
    ttl: {
      AccessToken: options.lifeSeconds ?? 3600,
      ClientCredentials: options.lifeSeconds ?? 3600,
      RefreshToken: 86_400,
      Grant: 86_400,
      IdToken: 3600,
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  const serve = provider.callback();
  const started: AuthorizationServer = {
    server,
    tokenUrl: `${server.origin}/token`,
    client: (clientAuth, facts = {}) => ({
      tokenUrl: `${server.origin}/token`,
      clientId: { basic: "c:basic", post: "c-post", private_key_jwt: "c-jwt" }[clientAuth],
      clientAuth,
      clientSecret: clientAuth === "private_key_jwt" ? null : CLIENT_SECRET,
      privateKey: clientAuth === "private_key_jwt" ? privateKey : null,
      keyId: clientAuth === "private_key_jwt" ? KEY_ID : null,
      algorithm: null,
      scope: null,
      audience: null,
      ...facts,
    }),
    async newRefreshToken(clientId) {
      const client = await provider.Client.find(clientId);
      if (!client) throw new Error(`no client ${clientId}`);
      const grant = new provider.Grant({ clientId, accountId: "somebody" });
      grant.addOIDCScope("openid offline_access");
      const token = new provider.RefreshToken({
        client,
        accountId: "somebody",
        grantId: await grant.save(),
        scope: "openid offline_access",
        gty: "authorization_code",
      });
      return token.save();
    },
    async isGood(accessToken) {
      const found =
        (await provider.ClientCredentials.find(accessToken)) ??
        (await provider.AccessToken.find(accessToken));
      return found !== undefined;
    },
    async forget(refreshToken) {
      const found = await provider.RefreshToken.find(refreshToken);
      await found?.destroy();
    },
    fetches: () => fetches,
    onFetch: () => {},
    close: () => server.close(),
  };
  handle = async (request, response) => {
    if (request.url === "/token") {
      fetches++;
      await started.onFetch(request, response);
      if (response.writableEnded || response.destroyed) return;
    }
    await serve(request, response);
  };
  return started;
}
