import {
  secretAuthMembers,
  type AuthInput,
  type AuthShown,
  type ProblemError,
} from "@tl-engine/contract";
import { judgeHmac } from "./judge-hmac.ts";
import { settleOauthClient } from "./settle-oauth-client.ts";
import type { ConnectionSecrets } from "./sealed-secrets.ts";

export interface SettledAuth {
  readonly shown: AuthShown;
  readonly secrets: ConnectionSecrets["auth"];
  readonly errors: readonly ProblemError[];
}

/**
 * Takes `auth` apart into what is shown and what is secret.
 * @param kept the secrets there were of the same type: those that are left out stay, as far as there is a place for them
 */
export function settleAuth(given: AuthInput, kept: () => ConnectionSecrets["auth"]): SettledAuth {
  const errors: ProblemError[] = [];
  const secrets: Record<string, string | readonly string[]> = {};
  const needed = neededSecrets(given);
  const members: Readonly<Record<string, unknown>> = given;
  for (const name of secretAuthMembers[given.type]) {
    const value = members[name] as string | string[] | undefined;
    const pointer = `/auth/${name}`;
    if (!needed.includes(name)) {
      if (value !== undefined) errors.push({ pointer, detail: placeless(given) });
      continue;
    }
    const secret = value ?? kept()[name];
    if (secret === undefined) errors.push({ pointer, detail: "is required" });
    else secrets[name] = secret;
  }
  const shown = { ...without(given, secretAuthMembers[given.type]), secrets: [...needed] };
  switch (given.type) {
    case "oauth2_client_credentials":
    case "oauth2_refresh_token": {
      const client = settleOauthClient(given, secrets["private_key"]);
      if (client.privateKey !== null) secrets["private_key"] = client.privateKey;
      errors.push(...client.errors);
      return { shown: { ...shown, algorithm: client.algorithm } as AuthShown, secrets, errors };
    }
    case "hmac":
      errors.push(...judgeHmac(given, secrets["signing_secrets"]));
      break;
    default:
  }
  return { shown: shown as AuthShown, secrets, errors };
}

/** The secrets that calls cannot be made without. */
function neededSecrets(auth: AuthInput): readonly string[] {
  switch (auth.type) {
    case "oauth2_client_credentials":
      return [clientProof(auth.client_auth)];
    case "oauth2_refresh_token":
      return [clientProof(auth.client_auth), "refresh_token"];
    default:
      return secretAuthMembers[auth.type];
  }
}

function clientProof(clientAuth: "basic" | "post" | "private_key_jwt"): string {
  return clientAuth === "private_key_jwt" ? "private_key" : "client_secret";
}

function placeless(auth: AuthInput): string {
  return "client_auth" in auth
    ? `has no place with client_auth ${auth.client_auth}; leave it out`
    : "has no place here; leave it out";
}

function without(auth: AuthInput, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(auth).filter(([name]) => !names.includes(name)));
}
