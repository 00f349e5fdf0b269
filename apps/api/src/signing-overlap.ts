import { maxSigningOverlapMs, parseDuration, rotateSigningSecretSchema } from "@tl-engine/contract";
import { checkBody, invalidBody } from "./body-errors.ts";

/** How long both secrets sign where a rotation does not say it. */
const usualOverlap = "24h";

/**
 * For how long the secret before goes on signing, ms; no body says the default.
 * @throws Refusal 422
 */
export function readSigningOverlap(body: unknown): number {
  const wanted = body === undefined ? {} : checkBody(rotateSigningSecretSchema, body);
  const overlapMs = parseDuration(wanted.overlap ?? usualOverlap) ?? 0;
  if (overlapMs > maxSigningOverlapMs) {
    throw invalidBody([{ pointer: "/overlap", detail: "must be at most 7d" }]);
  }
  return overlapMs;
}
