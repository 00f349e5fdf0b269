const encoder = new TextEncoder();

/**
 * Text that Postgres and every JSON reader can keep: NUL and lone surrogates become U+FFFD, and
 * what goes beyond `maxBytes` of UTF-8 is cut off, with an ellipsis in its place.
 */
export function keepable(text: string, maxBytes: number): string {
  // Cut first: the rest of a text of many MiB need not be looked at.
  const cut = text.length > maxBytes ? text.slice(0, maxBytes) : text;
  const clean = cut.replaceAll("\0", "\ufffd").toWellFormed();
  if (cut.length === text.length && encoder.encode(clean).length <= maxBytes) return clean;
  const room = maxBytes - 3;
  const { read } = encoder.encodeInto(clean, new Uint8Array(room));
  return `${clean.slice(0, read)}…`;
}

/** Whether a text can be kept as it is. */
export function isKeepable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}
