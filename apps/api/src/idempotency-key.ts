import { createHash } from "node:crypto";
import { malformed } from "./query.ts";

const visible = /^[\u0021-\u007e]{1,255}$/;

/**
 * The caller's `Idempotency-Key`: 1–255 visible ASCII characters, bare or as a quoted string of RFC 8941 (`"k"` and
 * `k` are one key).
 * @throws Refusal 400 where it is malformed
 */
export function readIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  const quoted = header.length >= 2 && header.startsWith('"') && header.endsWith('"');
  const key = quoted ? header.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : header;
  // Two headers arrive as one, joined by a comma and a space, and fail on the space.
  if (!visible.test(key)) {
    throw malformed(
      "The Idempotency-Key must be 1 to 255 visible ASCII characters, quoted or bare",
    );
  }
  return key;
}

/** JSON text of a parsed value with sorted members: one text for one value. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/** What two requests with one key must have in common: the engine as it was asked for, and the parsed body. */
export function requestFingerprint(engineRef: string, body: unknown): Buffer {
  return createHash("sha256").update(`${engineRef}\n`).update(canonicalJson(body)).digest();
}
