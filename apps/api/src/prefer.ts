/** Longest time that an answer is held back, seconds. */
export const maxWaitSeconds = 60;

const item =
  /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"([0-9]*)"|([0-9A-Za-z._-]*))\s*)?(?:;|$)/;

/**
 * The seconds of a `Prefer: wait=20` (RFC 7240), at most 60. The first `wait` counts; a preference that is malformed
 * or not known is ignored, as the RFC wants it.
 * @returns null where there is no wait to honour
 */
export function preferredWaitSeconds(header: string | undefined): number | null {
  if (header === undefined || header.length > 1_000) return null;
  for (const part of header.split(",")) {
    const match = item.exec(part);
    if (match?.[1]?.toLowerCase() !== "wait") continue;
    const text = match[2] ?? match[3] ?? "";
    if (!/^[0-9]{1,9}$/.test(text) || Number(text) === 0) return null;
    return Math.min(Number(text), maxWaitSeconds);
  }
  return null;
}
