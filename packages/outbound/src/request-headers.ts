import { OutboundRefusedError } from "./errors.ts";

/** RFC 9110 §5.6.2: what header names and methods are made of. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 §5.5 field values: visible ASCII, space, tab and Latin-1. No CR, LF, NUL, nothing wider than a byte. */
const FIELD_VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

const MAX_HEADERS = 100;
const MAX_HEADER_CHARACTERS = 32 * 1024;

/** Set by the connection itself: from a caller they would split or redirect what is sent. */
const OURS: ReadonlySet<string> = new Set([
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

/** CONNECT opens tunnels, TRACE gives headers back to whoever reads the answer. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/**
 * The method in upper case.
 *
 * @throws OutboundRefusedError when it is no token, or CONNECT, TRACE or TRACK.
 */
export function checkMethod(method: string): string {
  const upper = TOKEN.test(method) ? method.toUpperCase() : "";
  if (upper === "" || upper.length > 32 || REFUSED_METHODS.has(upper)) {
    throw new OutboundRefusedError("the method is not allowed");
  }
  return upper;
}

/**
 * The headers with lower-case names and trimmed values. Messages name the header, never its value.
 *
 * @throws OutboundRefusedError for a name or value that would not arrive as it was meant, for a header
 *   given twice, for those that belong to the connection, and for too many.
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {};
  let characters = 0;
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) {
    throw new OutboundRefusedError(`more than ${MAX_HEADERS} headers`);
  }
  for (const [name, value] of entries) {
    const lower = name.toLowerCase();
    if (!TOKEN.test(name) || lower === "__proto__") {
      throw new OutboundRefusedError("a header's name contains a character that is not allowed");
    }
    if (OURS.has(lower)) {
      throw new OutboundRefusedError(`the header ${lower} is set by the connection`);
    }
    if (typeof value !== "string" || !FIELD_VALUE.test(value)) {
      throw new OutboundRefusedError(
        `the value of the header ${lower} contains a character that is not allowed`,
      );
    }
    if (Object.hasOwn(checked, lower))
      throw new OutboundRefusedError(`the header ${lower} is given twice`);
    characters += name.length + value.length;
    checked[lower] = value.trim();
  }
  if (characters > MAX_HEADER_CHARACTERS) {
    throw new OutboundRefusedError(`more than ${MAX_HEADER_CHARACTERS} characters of headers`);
  }
  return checked;
}
