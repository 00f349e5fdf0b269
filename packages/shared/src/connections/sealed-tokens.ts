import { createHash } from "node:crypto";
import type { Connection } from "@tl-engine/outbound";
import type { SecretBox } from "../secrets/secret-box.ts";
import { SecretUnreadableError } from "../secrets/secret-errors.ts";

/** What is kept of a token endpoint's answer, encrypted. */
export interface KeptTokens {
  readonly accessToken: string;
  /** The newest, where the endpoint gives a new one with each use; null: the connection's own is good. */
  readonly refreshToken: string | null;
  /** Which grant the refresh token continues: see {@link grantOf}. */
  readonly grant: string;
}

/** The place that the envelope of a connection's tokens is bound to. */
export function tokensContext(connectionId: string): string {
  return `oauth-token:${connectionId}`;
}

export function sealTokens(connectionId: string, tokens: KeptTokens, box: SecretBox): string {
  return box.seal(JSON.stringify(tokens), tokensContext(connectionId));
}

/** @returns null where nobody here can read it: then it is as if there were none, and `onError` hears why */
export function openTokens(
  connectionId: string,
  envelope: string,
  box: SecretBox,
  onError: (error: unknown) => void,
): KeptTokens | null {
  try {
    return JSON.parse(box.open(envelope, tokensContext(connectionId))) as KeptTokens;
  } catch (error) {
    if (!(error instanceof SecretUnreadableError)) throw error;
    onError(error);
    return null;
  }
}

/**
 * Names what an operator set up once: client, endpoint and the refresh token that he gave. As long as these stay, a newer
 * refresh token goes on counting whatever else of the connection is changed; else each change would fall back to the
 * first one, which has been used.
 */
export function grantOf({ auth }: Connection): string {
  if (auth.type !== "oauth2_refresh_token") return "";
  const facts = JSON.stringify([auth.tokenUrl, auth.clientId, auth.refreshToken]);
  return createHash("sha256").update(facts).digest("base64url");
}
