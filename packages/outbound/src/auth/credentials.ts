import { createHmac, randomUUID } from "node:crypto";

import { OutboundRefusedError } from "../errors.ts";
import { type OutboundRequest } from "../exchange.ts";
import { type ConnectionAuth } from "../ports.ts";
import { signWebhook } from "../sign-webhook.ts";
import { webhookIdFor } from "./webhook-id.ts";

/** What is added to a request so that the other side knows whose it is. */
export interface Credentials {
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Members of the query, not yet encoded. */
  readonly query: Readonly<Record<string, string>>;
}

/** What a signature is made of besides the request. */
export interface Signing {
  /** Stable over the tries of a call. */
  readonly messageId?: string | undefined;
  readonly now: Date;
}

/** Every kind of auth whose credentials the connection itself has. */
export type OwnAuth = Exclude<ConnectionAuth, { type: `oauth2_${string}` }>;

/**
 * The credentials of a connection for one try of one request. Signatures are made anew for each try.
 *
 * @throws OutboundRefusedError for what no header can carry; messages name no value
 */
export function credentialsOf(
  auth: OwnAuth,
  request: OutboundRequest,
  signing: Signing,
): Credentials {
  switch (auth.type) {
    case "none":
      return { headers: {}, query: {} };
    case "api_key":
      return auth.in === "header"
        ? { headers: { [auth.name.toLowerCase()]: auth.value }, query: {} }
        : { headers: {}, query: { [auth.name]: auth.value } };
    case "bearer":
      return bearer(auth.token);
    case "basic":
      return { headers: { authorization: basic(auth.username, auth.password) }, query: {} };
    case "hmac":
      return { headers: sign(auth, request, signing), query: {} };
  }
}

/** RFC 6750 §2.1. A token is one word: anything else would be read as something else. */
export function bearer(token: string): Credentials {
  if (!/^[\x21-\x7e]{1,16384}$/.test(token)) {
    throw new OutboundRefusedError("the bearer token is no word of visible ASCII characters");
  }
  return { headers: { authorization: `Bearer ${token}` }, query: {} };
}

/** RFC 7617, in UTF-8. A colon in the name would move the border between name and password. */
function basic(username: string, password: string): string {
  if (username.includes(":") || /\p{Cc}/u.test(username + password)) {
    throw new OutboundRefusedError(
      "the user name contains a colon, or name or password a control character",
    );
  }
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

function sign(
  auth: Extract<OwnAuth, { type: "hmac" }>,
  { body, headers }: OutboundRequest,
  { messageId, now }: Signing,
): Record<string, string> {
  // No body is signed as an empty one.
  const bytes = body ?? "";
  const [secret] = auth.secrets;
  if (secret === undefined || secret === "") {
    throw new OutboundRefusedError("there is no secret to sign with");
  }
  if (auth.scheme === "standard_webhooks") {
    if (!auth.secrets.every((each) => /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(each))) {
      throw new OutboundRefusedError("a signing secret is not whsec_ followed by base64");
    }
    const id = webhookIdFor(messageId ?? headers["idempotency-key"] ?? randomUUID());
    return signWebhook(auth.secrets, { id, timestamp: now.getTime() / 1000, body: bytes });
  }
  // Receivers of this scheme compare the whole header, so it holds one signature, whatever number of secrets there is.
  const signature = createHmac("sha256", secret).update(bytes).digest("hex");
  return { [auth.header.toLowerCase()]: auth.prefix + signature };
}
