import type { AuthShown } from "@tl-engine/contract";
import type { ConnectionAuth, OAuthClient } from "@tl-engine/outbound";
import type { ConnectionSecrets } from "./sealed-secrets.ts";

type AuthSecrets = ConnectionSecrets["auth"];

/** `auth` with its secrets, as the door works with it. */
export function openAuth(auth: AuthShown, secrets: AuthSecrets): ConnectionAuth {
  switch (auth.type) {
    case "none":
      return { type: "none" };
    case "api_key":
      return { type: "api_key", in: auth.in, name: auth.name, value: textOf(secrets, "value") };
    case "bearer":
      return { type: "bearer", token: textOf(secrets, "token") };
    case "basic":
      return {
        type: "basic",
        username: auth.username,
        password: textOf(secrets, "password"),
      };
    case "oauth2_client_credentials":
      return { type: auth.type, ...oauthClient(auth, secrets) };
    case "oauth2_refresh_token":
      return {
        type: auth.type,
        refreshToken: textOf(secrets, "refresh_token"),
        ...oauthClient(auth, secrets),
      };
    case "hmac":
      return {
        type: "hmac",
        scheme: auth.scheme,
        secrets: [secrets["signing_secrets"] ?? []].flat(),
        header: auth.header ?? "webhook-signature",
        prefix: auth.prefix ?? (auth.scheme === "standard_webhooks" ? "v1," : ""),
      };
  }
}

function oauthClient(
  auth: Extract<AuthShown, { type: `oauth2_${string}` }>,
  secrets: AuthSecrets,
): OAuthClient {
  return {
    tokenUrl: auth.token_url,
    clientId: auth.client_id,
    clientAuth: auth.client_auth,
    clientSecret: textOrNull(secrets, "client_secret"),
    privateKey: textOrNull(secrets, "private_key"),
    keyId: auth.key_id,
    algorithm: auth.algorithm,
    scope: auth.scope,
    audience: auth.audience,
  };
}

function textOrNull(secrets: AuthSecrets, member: string): string | null {
  const secret = secrets[member];
  return typeof secret === "string" ? secret : null;
}

/** Whatever is needed was demanded before it was kept. */
function textOf(secrets: AuthSecrets, member: string): string {
  const secret = textOrNull(secrets, member);
  if (secret === null) throw new Error(`a connection lacks its ${member}`);
  return secret;
}
