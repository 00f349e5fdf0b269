import { createHash } from "node:crypto";

/**
 * An id for a message from whatever is stable about it: as it is where it can be one, else its hash. It has no full stop,
 * since that separates what is signed.
 */
export function webhookIdFor(stable: string): string {
  if (/^[A-Za-z0-9_:/-]{1,200}$/.test(stable)) return stable;
  return `msg_${createHash("sha256").update(stable).digest("base64url").slice(0, 32)}`;
}
