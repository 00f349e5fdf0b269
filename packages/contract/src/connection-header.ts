import { z } from "zod";

/** RFC 9110, 5.6.2. */
const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** RFC 9110, 5.5: visible ASCII, spaces and tabs within, Latin-1. */
const fieldValue = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** Whether a header can carry a value as it is: spaces around it would be lost. */
export function isFieldValue(value: string): boolean {
  return fieldValue.test(value) && !/^[ \t]|[ \t]$/.test(value);
}

/** Set by the HTTP connection itself: given by somebody they would split or redirect what is sent. */
const connectionsOwn: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Names that carry credentials: their values belong into `auth`, where they are encrypted and not shown. */
const credentialNames =
  /^(authorization|proxy-authorization|cookie|set-cookie|(x-)?(api|access|auth|app|amz|goog|vault|gitlab|private|session|csrf|xsrf|secret|subscription|functions)[a-z-]*-?(key|token|secret|password)|x-(auth|token|secret|password|apikey)|apikey|password|token|secret|private-token|ocp-apim-subscription-key)$/;

/** What is wrong with a header's name, or null. */
export function judgeHeaderName(name: string): string | null {
  if (!tokenPattern.test(name) || name === "__proto__") {
    return "must be a header name: letters, digits and hyphens";
  }
  if (connectionsOwn.has(name.toLowerCase())) return "is set by the connection; leave it out";
  return null;
}

/** The name of a header that a credential or a signature goes into. */
export const headerNameSchema = z
  .string()
  .check((payload) => {
    const wrong = judgeHeaderName(payload.value);
    if (wrong !== null) payload.issues.push({ code: "custom", input: "", message: wrong });
  })
  .transform((name) => name.toLowerCase());

const maxHeaders = 50;

/** Headers that every request of a connection carries, by lower-case name. They are no secrets: they are shown. */
export const connectionHeadersSchema = z
  .record(z.string(), z.string().max(4096))
  .check((payload) => {
    const refuse = (name: string, message: string): void =>
      void payload.issues.push({ code: "custom", input: "", path: [name], message });
    const seen = new Set<string>();
    for (const [name, value] of Object.entries(payload.value)) {
      const lower = name.toLowerCase();
      const wrong = judgeHeaderName(name);
      if (wrong !== null) refuse(name, wrong);
      else if (credentialNames.test(lower)) {
        refuse(
          name,
          'carries a credential, which would be shown here; put it into auth, such as {"type":"api_key","in":"header","name":"…","value":"…"}',
        );
      } else if (seen.has(lower)) refuse(name, "is given twice; names know no case");
      else if (!isFieldValue(value)) {
        refuse(name, "must be visible Latin-1 text without spaces around it");
      }
      seen.add(lower);
    }
    if (Object.keys(payload.value).length > maxHeaders) {
      payload.issues.push({
        code: "custom",
        input: "",
        message: `must be at most ${maxHeaders} headers`,
      });
    }
  })
  .transform((headers) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  )
  .meta({
    description:
      "Sent with every request; shown, so not for credentials. Names are kept in lower case.",
    example: { "x-tenant": "acme" },
  });
