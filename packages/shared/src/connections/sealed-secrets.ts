import { demandSecretBox } from "../secrets/open-secret-box.ts";
import type { SecretBox } from "../secrets/secret-box.ts";

/** A connection's secrets by member; a member that is not set is absent. */
export interface ConnectionSecrets {
  readonly auth: Readonly<Record<string, string | readonly string[]>>;
  readonly tls: Readonly<Record<string, string>>;
}

export const noSecrets: ConnectionSecrets = { auth: {}, tls: {} };

/** The place that the envelope of a connection's secrets is bound to. */
export function secretsContext(id: string): string {
  return `connection:${id}`;
}

/**
 * @returns null where there is nothing to seal, which needs no key
 * @throws NoSecretKeyError
 */
export function sealSecrets(
  id: string,
  secrets: ConnectionSecrets,
  box: SecretBox | null,
): string | null {
  if (Object.keys(secrets.auth).length + Object.keys(secrets.tls).length === 0) return null;
  return demandSecretBox(box).seal(JSON.stringify(secrets), secretsContext(id));
}

/** @throws NoSecretKeyError | SecretUnreadableError */
export function openSecrets(
  id: string,
  envelope: string | null,
  box: SecretBox | null,
): ConnectionSecrets {
  if (envelope === null) return noSecrets;
  return JSON.parse(demandSecretBox(box).open(envelope, secretsContext(id))) as ConnectionSecrets;
}
