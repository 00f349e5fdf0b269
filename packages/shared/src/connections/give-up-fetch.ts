import type { Connection } from "@tl-engine/outbound";
import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import {
  readConnectionRevision,
  readTokenRow,
  storeFailure,
  type SeenRow,
} from "./oauth-token-row.ts";
import { pauseMs } from "./oauth-token-times.ts";
import {
  connectionChanged,
  TokenUnavailableError,
  type TokenFailure,
} from "./token-unavailable-error.ts";

/** A fetch of ours, and the row as it was before. */
export interface Fetch {
  readonly connection: Connection;
  readonly seen: SeenRow;
  readonly claim: string;
  /** In a row, before this one. */
  readonly failures: number;
  readonly pool: pg.Pool;
  readonly signals: Pick<Signals, "publish">;
  readonly onError: (error: unknown) => void;
  readonly random: () => number;
}

export interface FailedFetch extends Fetch {
  readonly error: unknown;
  /** What is to be kept all the same: a new refresh token; null: nothing. */
  readonly envelope: string | null;
}

/**
 * Tells all processes that a fetch failed, so that nobody asks again for a while.
 * @returns null where the grant was refused because somebody else has a newer one: it is in the row
 * @throws TokenUnavailableError in all other cases
 */
export async function giveUpFetch(fetch: FailedFetch): Promise<null> {
  const { connection, seen, claim, pool, error, envelope } = fetch;
  const { id, revision } = connection;
  const facts = (typeof error === "object" && error !== null ? error : {}) as Record<
    string,
    unknown
  >;
  if (facts["oauthError"] === "invalid_grant") {
    const row = await readTokenRow(pool, id);
    if (row !== null && row.generation !== seen.generation) return null;
    const newest = await readConnectionRevision(pool, id);
    if (newest !== null && newest > revision) throw connectionChanged(id);
  }
  const failure = describe(facts);
  if (failure === null) fetch.onError(error);
  const said = failure ?? unknownFailure(id);
  const askedMs = typeof facts["retryAfterMs"] === "number" ? facts["retryAfterMs"] : 0;
  const retryInMs = pauseMs(fetch.failures + 1, askedMs, fetch.random());
  // Where Postgres is away the fetch ends by its time alone.
  await storeFailure(pool, id, claim, said, retryInMs, envelope).catch(fetch.onError);
  fetch.signals.publish("tokens", `${id}:${seen.generation}`);
  throw failureOf(connection, said, retryInMs);
}

/**
 * What they hear who need a token while nobody asks for one.
 * @param waitMs until somebody does
 */
export function failureOf(
  { id, retry }: Connection,
  failure: TokenFailure | null,
  waitMs: number,
): TokenUnavailableError {
  const said = failure ?? unknownFailure(id);
  if (!said.retryable) return new TokenUnavailableError(said);
  const parks = waitMs > retry.maxRetryAfterMs;
  return new TokenUnavailableError(said, {
    retryAfterMs: waitMs,
    park: parks
      ? { reason: "retry_after", delayMs: waitMs, blockedBy: `connection:${id}` }
      : undefined,
  });
}

/** The door's errors are known by their members, and their messages made to be read; others stay here. */
function describe(facts: Record<string, unknown>): TokenFailure | null {
  const { code, message, retryable } = facts;
  return typeof code === "string" && typeof message === "string" && typeof retryable === "boolean"
    ? { code, message, retryable }
    : null;
}

function unknownFailure(id: string): TokenFailure {
  const message = `connection ${id}: no access token could be fetched; the log of the worker says why`;
  return { code: "connection_failed", message, retryable: true };
}
