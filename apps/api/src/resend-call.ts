import type { FoundCall } from "@tl-engine/shared/outbound-log/read-call.ts";
import {
  readRequest,
  resendContext,
  type KeptRequest,
  type NotResendable,
} from "@tl-engine/shared/outbound-log/seal-resend.ts";
import type { SecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import { SecretUnreadableError } from "@tl-engine/shared/secrets/secret-errors.ts";
import { Refusal } from "./problem.ts";

const reasons: Readonly<Record<NotResendable, string>> = {
  other_protocol:
    "It is no HTTP call; only those are kept so that they can be sent again. Submit the execution again",
  token: "It fetched an access token, which the next call that needs one does by itself",
  callback:
    "It delivered a callback; send the delivery again, which signs it anew: POST /api/v1/executions/{execution_id}/callbacks/{callback_id}/resend",
  no_connection:
    "It went to a plain address; only calls through a connection that keeps bodies (log.bodies) can be sent again",
  not_kept:
    "Its request was not kept; set log.bodies of its connection, and raise log.max_body_bytes where bodies are longer, for calls to come",
  no_secret_key:
    "Its request was not kept, since the worker had no TL_SECRET_KEY to encrypt it with; set it for calls to come",
  credentials:
    "The engine itself put credentials into it, and those are not kept; give them to the connection",
  too_large: "Its request is too large to be kept",
};

/** @throws Refusal 409 where the call can't be sent again, with the reason and what to do about it */
export function requestOf(
  { resend, not_resendable }: FoundCall,
  callId: string,
  box: SecretBox,
): KeptRequest {
  if (resend === null) throw notResendable(reasons[not_resendable ?? "not_kept"]);
  try {
    const request = readRequest(JSON.parse(box.open(resend, resendContext(callId))));
    if (request !== null) return request;
  } catch (error) {
    if (!(error instanceof SecretUnreadableError)) throw error;
  }
  throw notResendable(
    "Its request was encrypted with a key that TL_SECRET_KEY no longer holds; add that key as the second one",
  );
}

/** What `http.request` needs to make the same call. @throws Refusal 409 where its input cannot say it */
export function inputOf(
  { method, url, headers, body_base64 }: KeptRequest,
  connection: string | null,
): Record<string, unknown> {
  return {
    method,
    url,
    ...(connection !== null && { connection }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(body_base64 !== null && { text: textOf(body_base64) }),
  };
}

function textOf(base64: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(base64, "base64"),
    );
  } catch {
    throw notResendable("Its body is no text, which http.request cannot send");
  }
}

function notResendable(why: string): Refusal {
  return new Refusal("not_resendable", why);
}
