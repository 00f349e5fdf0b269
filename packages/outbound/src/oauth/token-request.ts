import { type Connection, type ConnectionAuth } from "../ports.ts";
import { ASSERTION_TYPE, clientAssertion } from "./client-assertion.ts";
import { TokenError } from "./token-error.ts";

/** The kinds of auth whose credential is fetched. */
export type OAuthAuth = Extract<ConnectionAuth, { type: `oauth2_${string}` }>;

/** A request to a token endpoint, and what in it is secret. */
export interface TokenRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly secrets: readonly string[];
}

/**
 * The request for a token by client credentials (RFC 6749 §4.4.2) or a refresh token (§6), with the client shown by Basic,
 * by members of the form, or by a signed assertion.
 *
 * @param refreshToken the newest that is known; null: the one that the connection was given
 * @throws TokenError where the client lacks what its kind of authentication needs
 */
export async function tokenRequest(
  { id }: Connection,
  auth: OAuthAuth,
  refreshToken: string | null,
  now: Date,
): Promise<TokenRequest> {
  const form = new URLSearchParams();
  const secrets: string[] = [];
  if (auth.type === "oauth2_refresh_token") {
    const token = refreshToken ?? auth.refreshToken;
    form.set("grant_type", "refresh_token");
    form.set("refresh_token", token);
    secrets.push(token);
  } else {
    form.set("grant_type", "client_credentials");
  }
  if (auth.scope !== null) form.set("scope", auth.scope);
  if (auth.audience !== null) form.set("audience", auth.audience);

  const headers: Record<string, string> = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  };
  if (auth.clientAuth === "private_key_jwt") {
    const assertion = await clientAssertion(id, auth, now);
    form.set("client_id", auth.clientId);
    form.set("client_assertion_type", ASSERTION_TYPE);
    form.set("client_assertion", assertion);
    secrets.push(assertion);
  } else {
    const secret = auth.clientSecret;
    if (secret === null || secret === "") {
      throw new TokenError(`connection ${id}: its OAuth client has no secret: set client_secret`, {
        retryable: false,
      });
    }
    secrets.push(secret);
    if (auth.clientAuth === "post") {
      form.set("client_id", auth.clientId);
      form.set("client_secret", secret);
    } else {
      // RFC 6749 §2.3.1: both are form-encoded first, so that a colon or a character beyond ASCII arrives.
      const pair = `${formEncoded(auth.clientId)}:${formEncoded(secret)}`;
      const encoded = Buffer.from(pair, "utf8").toString("base64");
      headers["authorization"] = `Basic ${encoded}`;
      secrets.push(encoded, formEncoded(secret));
    }
  }
  return { headers, body: form.toString(), secrets };
}

function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
