import { randomBytes } from "node:crypto";

/** Standard Webhooks asks for 24 to 64 bytes. */
const secretBytes = 32;

/** A new secret that signs webhooks: `whsec_` and 32 random bytes in base64. */
export function newSigningSecret(): string {
  return `whsec_${randomBytes(secretBytes).toString("base64")}`;
}

/** The place that an endpoint's envelopes are bound to. */
export function endpointSecretContext(endpointId: string): string {
  return `webhook-endpoint:${endpointId}`;
}

/** The place that the envelopes of a caller's own secret are bound to. */
export function callbackSecretContext(callerId: string): string {
  return `callback-secret:${callerId}`;
}
