import { scrubText } from "../log/scrub-text.ts";
import { keptLine } from "./kept-text.ts";

/** What stands in the place of a credential. */
export const redacted = "[redacted]";

const maxHeaders = 64;
const maxNameLength = 100;
const maxValueLength = 1_000;
/** Of all headers of a message together, characters. */
const maxLength = 8_192;

/** Names whose values are credentials, whoever invented them. */
const credentialName =
  /^(authorization|proxy-authorization|cookie2?|set-cookie2?|authentication-info|key)$|(^|[-_.])(api[-_]?key|apikey|access[-_]?key|token|secret|password|passwd|pwd|signature|sig|credentials?|auth|session|sid|jwt|assertion|private[-_]?key)([-_.]|$)/i;

/** Whether a header or a query parameter of this name holds a credential, as far as names tell. */
export function isCredentialName(name: string): boolean {
  return credentialName.test(name);
}

/**
 * Headers as the log shows them. The door has replaced credentials already; whatever it overlooked is replaced here, and
 * addresses in values lose their query, as every path does.
 */
export function shownHeaders(headers: unknown): Record<string, string> | null {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return null;
  const shown: Record<string, string> = {};
  let left = maxLength;
  for (const [rawName, rawValue] of Object.entries(headers).slice(0, maxHeaders)) {
    const name = keptLine(rawName, maxNameLength).toLowerCase();
    if (name === "" || name === "__proto__") continue;
    const value = isCredentialName(name) ? redacted : withoutQueries(name, rawValue);
    left -= name.length + value.length;
    if (left < 0) break;
    shown[name] = value;
  }
  return shown;
}

const addressed = /^(location|content-location|referer|refresh|link|origin)$/;

function withoutQueries(name: string, value: unknown): string {
  const text = scrubText(keptLine(value, maxValueLength), maxValueLength);
  if (!addressed.test(name) && !text.includes("://")) return text;
  return text.replaceAll(/\?[^\s"'<>,;]*/g, "?…").replaceAll(/\/\/[^\s/@"'<>]*@/g, "//");
}
