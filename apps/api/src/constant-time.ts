import { createHash, timingSafeEqual } from "node:crypto";

/**
 * Makes a comparison with a few secrets whose time says nothing of them: both sides are hashed to one length, and
 * every secret is compared whatever the others said.
 */
export function matchesOneOf(secrets: readonly string[]): (given: string) => boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const known = secrets.map(digest);
  return (given) => {
    const hash = digest(given);
    return known.map((secret) => timingSafeEqual(secret, hash)).includes(true);
  };
}
