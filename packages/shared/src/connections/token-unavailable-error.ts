import type { Park } from "@tl-engine/outbound";

/** What is said of a fetch that failed, also to those who come while nobody asks again. */
export interface TokenFailure {
  code: string;
  message: string;
  retryable: boolean;
}

interface Wait {
  retryAfterMs?: number | undefined;
  park?: Park | undefined;
}

/**
 * There is no access token for a connection. It looks like the errors of the door: whoever catches it reads `code`,
 * `retryable`, `retryAfterMs` and `park`. Its message says what to fix, and holds no secret.
 */
export class TokenUnavailableError extends Error {
  override name = "TokenUnavailableError";
  readonly code: string;
  readonly retryable: boolean;
  declare readonly retryAfterMs?: number;
  declare readonly park?: Park;

  constructor({ code, message, retryable }: TokenFailure, { retryAfterMs, park }: Wait = {}) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (park !== undefined) this.park = park;
  }
}

/** Whoever asks holds a connection that is older than the token. */
export function connectionChanged(id: string): TokenUnavailableError {
  const message = `connection ${id}: it was changed just now, and the token is for its newer form`;
  return new TokenUnavailableError(
    { code: "connection_failed", message, retryable: true },
    { retryAfterMs: 1_000 },
  );
}

/** A new token was refused like the one before, so that a third would be of no use yet. */
export function refusedAgain(id: string, retryAfterMs: number): TokenUnavailableError {
  const message = `connection ${id}: a token that was fetched just now is refused with 401 as well: check scope, audience and what the client may do`;
  return new TokenUnavailableError(
    { code: "upstream_error", message, retryable: true },
    { retryAfterMs },
  );
}
