import { createHmac } from "node:crypto";

const PREFIX = "whsec_";

/** What is signed: the message's id, the time of this try, and the body as it is sent. */
export interface WebhookMessage {
  /** The same in every try of one message, so that its receiver can tell a repetition. */
  readonly id: string;
  /** Seconds since 1970: receivers refuse what is more than five minutes off. */
  readonly timestamp: number;
  readonly body: string | Uint8Array;
}

/**
 * The headers of a message signed by Standard Webhooks 1.0 (symmetric, `v1`): HMAC-SHA-256 of `<id>.<timestamp>.<body>`,
 * in base64. With two secrets both sign, separated by a space, while receivers change over.
 *
 * @param secrets base64, after `whsec_` or bare
 * @throws TypeError for an id with a dot, which would make two messages sign alike, and where there is no secret
 */
export function signWebhook(
  secrets: readonly string[],
  { id, timestamp, body }: WebhookMessage,
): Readonly<Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string>> {
  if (id.includes(".")) throw new TypeError("a webhook's id has no dot in it");
  if (secrets.length === 0) throw new TypeError("a webhook is signed with one secret at least");
  const seconds = String(Math.floor(timestamp));
  const signatures = secrets.map((secret) => {
    const hmac = createHmac("sha256", keyOf(secret)).update(`${id}.${seconds}.`).update(body);
    return `v1,${hmac.digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": signatures.join(" "),
  };
}

function keyOf(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  return Buffer.from(text, "base64");
}
