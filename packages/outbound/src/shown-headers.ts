/** Headers whose values say what kind of message it is, and nothing that anybody has to keep to himself. */
const HARMLESS: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "accept-ranges",
  "age",
  "allow",
  "cache-control",
  "connection",
  "content-encoding",
  "content-language",
  "content-length",
  "content-type",
  "date",
  "idempotency-key",
  "keep-alive",
  "last-modified",
  "ratelimit",
  "ratelimit-limit",
  "ratelimit-policy",
  "ratelimit-remaining",
  "ratelimit-reset",
  "retry-after",
  "server",
  "traceparent",
  "transfer-encoding",
  "user-agent",
  "vary",
  "x-correlation-id",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-request-id",
]);

/** Longest value shown, in characters, and how many headers. */
const MAX_VALUE = 512;
const MAX_HEADERS = 100;

/**
 * Headers as the outbound log may keep them: values of harmless ones, of all others the length. A list of what is secret
 * would always lack one (X-API-Key, X-Auth-Token, Ocp-Apim-Subscription-Key …).
 *
 * @param credentials lower-case names of those that are credentials whatever they are called: not even their length is
 *   said
 */
export function shownHeaders(
  headers: Readonly<Record<string, string>>,
  credentials: ReadonlySet<string> | null,
): Readonly<Record<string, string>> {
  const shown: Record<string, string> = {};
  let count = 0;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    if (++count > MAX_HEADERS) break;
    shown[name] =
      credentials?.has(name) || name === "authorization" || name === "proxy-authorization"
        ? "[redacted]"
        : HARMLESS.has(name)
          ? printable(value)
          : `[${value.length} characters]`;
  }
  return shown;
}

/** What any database and terminal can hold. */
function printable(value: string): string {
  const cut = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value;
  return /^[\x20-\x7e]*$/.test(cut) ? cut : cut.replace(/[^\x20-\x7e…]/g, "\ufffd");
}
