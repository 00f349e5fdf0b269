import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from "jose";
import { unavailable } from "./unavailable.ts";

/** After a failure, keys that are not known yet are asked for again this much later, ms. */
const pauseMs = 1_000;

/** Errors that speak of the token, not of the way to the keys. */
function isTokensFault(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

/**
 * The keys of front ends' tokens, from `TL_JWT_JWKS_URL`. The one call of the API process to the outside: the
 * operator names the address, redirects are not followed, it ends after 5 s, and an unknown key id asks again at
 * most every 30 s.
 * @throws Refusal `unavailable` where the keys cannot be had: a token that nobody could check is not a wrong one
 */
export function remoteTokenKeys(url: string): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: 5_000,
    cooldownDuration: 30_000,
  });
  let failedAt = -Infinity;
  return async (header, token) => {
    if (!keys.fresh && performance.now() - failedAt < pauseMs) throw cannotCheck();
    try {
      return await keys(header, token);
    } catch (error) {
      if (isTokensFault(error)) throw error;
      failedAt = performance.now();
      throw cannotCheck();
    }
  };
}

function cannotCheck(): Error {
  return unavailable("The keys of bearer tokens cannot be had at the moment; try again");
}
