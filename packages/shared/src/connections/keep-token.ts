import type { FetchedToken } from "@tl-engine/outbound/fetch-token";
import { untilAvailable } from "../executions/until-available.ts";
import type { SecretBox } from "../secrets/secret-box.ts";
import { giveUpFetch, type Fetch } from "./give-up-fetch.ts";
import type { HeldToken } from "./held-token.ts";
import { storeToken } from "./oauth-token-row.ts";
import { renewInMs } from "./oauth-token-times.ts";
import { sealTokens, type KeptTokens } from "./sealed-tokens.ts";

export interface FetchWithAnswer extends Fetch {
  readonly box: SecretBox;
  readonly answer: FetchedToken;
  readonly askedAt: number;
  /** The token that was refused; null: none was. */
  readonly stale: string | null;
  readonly kept: KeptTokens;
  readonly now: () => number;
  readonly ending: AbortSignal;
  /** Hears of a token that is used before it is kept. It ends when it is kept, or never can be; it does not reject. */
  onLate(kept: Promise<unknown>): void;
}

/**
 * Keeps what was fetched, for all processes. The refresh token that was used stays in the row until the new one replaces it
 * in this one statement. While Postgres is away the token serves this process alone, and is kept as soon as it is back.
 * @returns null where somebody else has kept another one meanwhile
 * @throws TokenUnavailableError where the endpoint gave the refused token once more
 */
export async function keepToken(fetch: FetchWithAnswer): Promise<HeldToken | null> {
  const { pool, connection, seen, answer, stale, kept, now, ending, onError } = fetch;
  const { id } = connection;
  const envelope = sealTokens(id, kept, fetch.box);
  if (answer.accessToken === stale) {
    const message = `connection ${id}: the token endpoint gives the token again that is refused with 401`;
    const error = { code: "upstream_error", message, retryable: true };
    return giveUpFetch({
      ...fetch,
      error,
      envelope: answer.refreshToken === null ? null : envelope,
    });
  }

  // A token lives from when it was asked for: the answer may have been on its way for seconds.
  const { lifeMs } = answer;
  const renewMs = renewInMs(lifeMs, fetch.random());
  const { promise: isAway, resolve: sayAway } = Promise.withResolvers<"away">();
  const stored = untilAvailable(
    () => {
      const ageMs = now() - fetch.askedAt;
      return storeToken(pool, id, seen, {
        tokens: envelope,
        ageMs,
        renewInMs: renewMs - ageMs,
        livesMs: lifeMs - ageMs,
        afterRefusal: stale !== null,
      });
    },
    {
      signal: ending,
      onError(error) {
        onError(error);
        sayAway("away");
      },
    },
  );
  const refusals = await Promise.race([stored, isAway]);
  if (refusals === "away") fetch.onLate(stored.then(tell, onError));
  else if (tell(refusals) === null) return null;
  return {
    revision: seen.revision,
    generation: seen.generation + 1,
    accessToken: answer.accessToken,
    obtainedAt: fetch.askedAt,
    renewAt: fetch.askedAt + renewMs,
    expiresAt: fetch.askedAt + lifeMs,
    refusals: typeof refusals === "number" ? refusals : stale === null ? 0 : 1,
  };

  function tell(refusals: number | null): number | null {
    if (refusals !== null) fetch.signals.publish("tokens", `${id}:${seen.generation + 1}`);
    return refusals;
  }
}
