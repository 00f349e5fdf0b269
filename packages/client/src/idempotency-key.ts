/**
 * A new Idempotency-Key: 128 random bits. `crypto.randomUUID` would do, but browsers have it on
 * https pages alone.
 */
export function makeIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
