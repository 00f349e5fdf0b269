import { defaultScopes, scopeSchema } from "@tl-engine/contract";

/**
 * What a token's `scope` claim gives (RFC 8693, 4.2: words separated by spaces). Left out: the default
 * scopes. Present, even empty: only what it names. Admin scopes and unknown words are ignored, and a
 * claim that is no text names nothing.
 */
export function scopesOfToken(claim: unknown): ReadonlySet<string> {
  if (claim === undefined) return new Set(defaultScopes);
  if (typeof claim !== "string") return new Set();
  return new Set(claim.split(" ").filter((word) => scopeSchema.safeParse(word).success));
}
