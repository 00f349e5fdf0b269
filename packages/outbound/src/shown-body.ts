/** Names of members whose values are secrets more often than not. */
const SECRET_NAME =
  /pass(?:word|wd|phrase|code)?$|secret|token|api[-_]?key|authorization|credential|private[-_]?key|^pin$|cvv|cvc|card[-_]?number|session|cookie|signature|^otp$|^assertion$/i;

const REDACTED = "[redacted]";

/** JSON larger than this is not read for the log, and so not shown. */
const MAX_JSON_BYTES = 1024 * 1024;

export interface BodyToShow {
  readonly body: string | Uint8Array | null;
  readonly contentType: string | undefined;
  /** Most bytes shown. */
  readonly cap: number;
  /** Values of the connection's credentials: shown nowhere. */
  readonly secrets: readonly string[];
}

/**
 * A body as the outbound log may keep it: text as text, all else as `base64:…`, cut at the cap with what is missing said.
 * In JSON and forms, members with names like `password` or `access_token` lose their values. That is help, not a
 * guarantee: what a body says in other words is shown as it is, which is why bodies are only kept where a connection
 * says so.
 *
 * @returns null where there is no body
 */
export function shownBody({ body, contentType, cap, secrets }: BodyToShow): string | null {
  if (body === null || body.length === 0) return null;
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const type = contentType?.toLowerCase() ?? "";
  const text = textOf(bytes);
  if (text === null) return cutBase64(bytes, cap);
  return cutText(withoutValues(redacted(text, bytes.length, type), secrets), cap);
}

function redacted(text: string, length: number, type: string): string {
  if (type.includes("x-www-form-urlencoded")) return redactedForm(text);
  if (!type.includes("json") && !/^\s*[[{]/.test(text)) return text;
  if (length > MAX_JSON_BYTES) return `[JSON of ${length} bytes]`;
  try {
    return JSON.stringify(JSON.parse(text, (name, value: unknown) => hidden(name, value)));
  } catch {
    // Said to be JSON and is not: nobody can say where in it a secret ends.
    return type.includes("json") ? `[${length} bytes that are not JSON]` : text;
  }
}

function hidden(name: string, value: unknown): unknown {
  return SECRET_NAME.test(name) && value !== null && typeof value !== "boolean" ? REDACTED : value;
}

function redactedForm(text: string): string {
  return text
    .split("&")
    .map((member) => {
      const [name = ""] = member.split("=", 1);
      return SECRET_NAME.test(name) ? `${name}=${REDACTED}` : member;
    })
    .join("&");
}

function withoutValues(text: string, secrets: readonly string[]): string {
  return secrets.reduce(
    // A shorter value is a word like any other.
    (shown, secret) => (secret.length >= 6 ? shown.replaceAll(secret, REDACTED) : shown),
    text,
  );
}

/** UTF-8 without what a database can't keep; null where it is none. */
function textOf(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

function cutText(text: string, cap: number): string {
  if (Buffer.byteLength(text) <= cap) return text;
  // Cut within a character, the decoder leaves that one out.
  const kept = new TextDecoder().decode(Buffer.from(text).subarray(0, cap), { stream: true });
  return `${kept}… [${Buffer.byteLength(text) - cap} bytes more]`;
}

function cutBase64(bytes: Uint8Array, cap: number): string {
  const kept = Buffer.from(bytes.subarray(0, cap)).toString("base64");
  return `base64:${kept}${bytes.length > cap ? `… [${bytes.length - cap} bytes more]` : ""}`;
}
