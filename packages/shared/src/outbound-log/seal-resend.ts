import type { ResendableRequest } from "@tl-engine/outbound";
import type { CallPurpose, ToldCall } from "./told-call.ts";
import { isCredentialName } from "./shown-headers.ts";

/** A request as the engine gave it, without what its connection adds. */
export type KeptRequest = ResendableRequest;

/** Why a call can't be sent again. */
export const notResendable = [
  "other_protocol",
  "token",
  "callback",
  "no_connection",
  "not_kept",
  "no_secret_key",
  "credentials",
  "too_large",
] as const;
export type NotResendable = (typeof notResendable)[number];

/** Seals what it takes to send a call again, bound to its id. */
export type SealResend = (plain: string, context: string) => string;

/** Of a request that is kept to be sent again, characters of its JSON. */
const maxLength = 512 * 1024;

/** What an envelope with a request is bound to. */
export function resendContext(callId: string): string {
  return `outbound-call:${callId}`;
}

interface Sealed {
  resend: string | null;
  not_resendable: NotResendable | null;
}

/** The request in an envelope, or why there is none. */
export function sealResend(
  call: Pick<ToldCall, "protocol" | "connection" | "resend">,
  purpose: CallPurpose,
  callId: string,
  seal: SealResend | null,
): Sealed {
  const refused = (not_resendable: NotResendable): Sealed => ({ resend: null, not_resendable });
  if (purpose !== "engine") return refused(purpose);
  if (call.protocol !== "http") return refused("other_protocol");
  if (call.connection === null) return refused("no_connection");
  const request = readRequest(call.resend);
  if (request === null) return refused("not_kept");
  if (seal === null) return refused("no_secret_key");
  // It would come back in the input of an execution, which its caller may read.
  if (holdsCredentials(request)) return refused("credentials");
  const plain = JSON.stringify(request);
  if (plain.length > maxLength) return refused("too_large");
  return { resend: seal(plain, resendContext(callId)), not_resendable: null };
}

/** The request that is told, or that an envelope holds, member by member; null where it is none. */
export function readRequest(value: unknown): KeptRequest | null {
  if (typeof value !== "object" || value === null) return null;
  const { method, url, headers, body_base64 } = value as Partial<
    Record<keyof ResendableRequest, unknown>
  >;
  if (typeof method !== "string" || typeof url !== "string") return null;
  if (typeof body_base64 !== "string" && body_base64 !== null) return null;
  if (typeof headers !== "object" || headers === null) return null;
  const texts = Object.entries(headers as Record<string, unknown>).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { method, url, headers: Object.fromEntries(texts), body_base64 };
}

function holdsCredentials({ url, headers }: KeptRequest): boolean {
  if (Object.keys(headers).some(isCredentialName)) return true;
  const [, query = ""] = url.split("?", 2);
  return [...new URLSearchParams(query).keys()].some(isCredentialName);
}
