const tag = /^(?:W\/)?"[\u0021\u0023-\u007e\u0080-\u00ff]*"$/;

/**
 * Whether an `If-None-Match` names this tag, by the weak comparison (RFC 9110, 13.1.2). A malformed header matches
 * nothing: the caller gets the full answer, which is never wrong.
 */
export function matchesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  const opaque = etag.replace(/^W\//, "");
  return header.split(",").some((part) => {
    const given = part.trim();
    return tag.test(given) && given.replace(/^W\//, "") === opaque;
  });
}
