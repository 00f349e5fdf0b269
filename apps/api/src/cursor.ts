import { createHash } from "node:crypto";
import { malformed } from "./query.ts";

const checkBytes = 6;

function check(name: string, payload: Buffer): Buffer {
  return createHash("sha256").update(`${name}\n`).update(payload).digest().subarray(0, checkBytes);
}

/**
 * Makes the opaque place in a list from which its next page goes on.
 * @param list the list's name, so that a cursor of another list is refused
 */
export function makeCursor(list: string, place: string): string {
  const payload = Buffer.from(place, "utf8");
  return Buffer.concat([check(list, payload), payload]).toString("base64url");
}

/**
 * Reads a cursor of {@link makeCursor}. It is no secret, and a made-up one would show nobody anything; the check is
 * there so that a damaged one is refused and not taken for another place.
 * @param placeOf what the list makes of a place; null where it has none of that form, since anybody can make up a cursor
 * @throws Refusal 400
 */
export function readCursor<Place>(
  list: string,
  cursor: string | undefined,
  placeOf: (text: string) => Place | null,
): Place | null {
  if (cursor === undefined) return null;
  const bytes = Buffer.from(cursor, "base64url");
  const payload = bytes.subarray(checkBytes);
  const good =
    cursor.length <= 512 &&
    bytes.toString("base64url") === cursor &&
    check(list, payload).equals(bytes.subarray(0, checkBytes));
  const place = good ? placeOf(payload.toString("utf8")) : null;
  if (place === null) throw malformed("The cursor is none that this list gave out");
  return place;
}
