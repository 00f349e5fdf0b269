import type pg from "pg";
import { provenMs } from "./oauth-token-times.ts";
import type { TokenFailure } from "./token-unavailable-error.ts";

/** What Postgres knows of a connection's token; times are ms from now by its clock, over where they are not positive. */
export interface TokenRow {
  readonly revision: number;
  readonly generation: number;
  readonly tokens: string | null;
  readonly ageMs: number;
  readonly renewInMs: number;
  readonly livesMs: number;
  readonly refusals: number;
  /** How long a fetch may still be under way. */
  readonly fetchingMs: number;
  readonly failures: number;
  readonly retryInMs: number;
  readonly lastError: TokenFailure | null;
}

/** Claims and results name the row as it was read: where it is another by now, they change nothing. */
export type SeenRow = Pick<TokenRow, "revision" | "generation">;

const msUntil = (column: string): string =>
  `coalesce(extract(epoch FROM ${column} - now())::float8 * 1000, 0)`;

export async function readTokenRow(pool: pg.Pool, connectionId: string): Promise<TokenRow | null> {
  const { rows } = await pool.query<TokenRow>({
    name: "read-oauth-token",
    text: `SELECT revision::float8, generation::float8, tokens, -${msUntil("obtained_at")} AS "ageMs",
        ${msUntil("renew_at")} AS "renewInMs", ${msUntil("expires_at")} AS "livesMs", refusals,
        ${msUntil("fetching_until")} AS "fetchingMs", failures, ${msUntil("retry_at")} AS "retryInMs",
        last_error AS "lastError"
      FROM oauth_tokens WHERE connection_id = $1`,
    values: [connectionId],
  });
  return rows[0] ?? null;
}

/**
 * Takes the fetch of a token for this connection's revision, where nobody has it and the endpoint is not left in peace.
 * A newer revision begins anew: nothing is held against it, and the older one's access token serves no more.
 * @param seen the row as it was read; null: there was none
 * @param claim a name for this fetch
 * @param spent the access token that is there was refused: it is given to nobody any more
 */
export async function claimFetch(
  pool: pg.Pool,
  connection: { id: string; revision: number },
  seen: SeenRow | null,
  claim: string,
  leaseMs: number,
  spent: boolean,
): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: "claim-oauth-token",
    text: `INSERT INTO oauth_tokens AS t (connection_id, revision, fetching_by, fetching_until)
      VALUES ($1, $2, $3, now() + $4 * interval '1 millisecond')
      ON CONFLICT (connection_id) DO UPDATE SET
        fetching_by = excluded.fetching_by, fetching_until = excluded.fetching_until, revision = excluded.revision,
        expires_at = CASE WHEN t.revision < excluded.revision THEN NULL WHEN $7 THEN least(t.expires_at, now()) ELSE t.expires_at END,
        renew_at = CASE WHEN t.revision = excluded.revision THEN t.renew_at END,
        refusals = CASE WHEN t.revision = excluded.revision THEN t.refusals ELSE 0 END,
        failures = CASE WHEN t.revision = excluded.revision THEN t.failures ELSE 0 END,
        retry_at = CASE WHEN t.revision = excluded.revision THEN t.retry_at END,
        last_error = CASE WHEN t.revision = excluded.revision THEN t.last_error END
      WHERE t.generation = $5 AND t.revision = $6 AND t.revision <= excluded.revision
        AND (t.fetching_until IS NULL OR t.fetching_until <= now())
        AND (t.revision < excluded.revision OR t.retry_at IS NULL OR t.retry_at <= now())`,
    values: [
      connection.id,
      connection.revision,
      claim,
      leaseMs,
      seen?.generation ?? null,
      seen?.revision ?? null,
      spent,
    ],
  });
  return rowCount === 1;
}

export interface TokenToStore {
  /** The envelope. */
  tokens: string;
  ageMs: number;
  renewInMs: number;
  livesMs: number;
  /** Whether it was fetched because the one before was refused. */
  afterRefusal: boolean;
}

/**
 * Keeps a token in place of the one that was there when it was asked for. It counts by the generation alone: one that took
 * longer than its fetch was given is still better than none, and its refresh token may be the only one that is good.
 * @returns how many in a row were fetched because the one before was refused; null where another one was kept meanwhile
 */
export async function storeToken(
  pool: pg.Pool,
  connectionId: string,
  seen: SeenRow,
  token: TokenToStore,
): Promise<number | null> {
  const { rows } = await pool.query<{ refusals: number }>({
    name: "store-oauth-token",
    text: `UPDATE oauth_tokens SET tokens = $4, generation = generation + 1,
        obtained_at = now() - $5 * interval '1 millisecond', renew_at = now() + $6 * interval '1 millisecond',
        expires_at = now() + $7 * interval '1 millisecond',
        refusals = CASE WHEN NOT $8 THEN 0 WHEN obtained_at > now() - $9 * interval '1 millisecond' THEN refusals + 1 ELSE 1 END,
        fetching_by = NULL, fetching_until = NULL, failures = 0, retry_at = NULL, last_error = NULL
      WHERE connection_id = $1 AND revision = $2 AND generation = $3
      RETURNING refusals`,
    values: [
      connectionId,
      seen.revision,
      seen.generation,
      token.tokens,
      token.ageMs,
      token.renewInMs,
      token.livesMs,
      token.afterRefusal,
      provenMs,
    ],
  });
  return rows[0]?.refusals ?? null;
}

/**
 * Says that a fetch failed, and for how long nobody asks again.
 * @param tokens an envelope to keep all the same, in which the access token is no good; null: what is there stays
 */
export async function storeFailure(
  pool: pg.Pool,
  connectionId: string,
  claim: string,
  failure: TokenFailure,
  retryInMs: number,
  tokens: string | null,
): Promise<void> {
  await pool.query({
    name: "fail-oauth-token",
    text: `UPDATE oauth_tokens SET fetching_by = NULL, fetching_until = NULL, failures = failures + 1,
        retry_at = now() + $3 * interval '1 millisecond', last_error = $4, tokens = coalesce($5, tokens),
        generation = generation + CASE WHEN $5 IS NULL THEN 0 ELSE 1 END
      WHERE connection_id = $1 AND fetching_by = $2`,
    values: [connectionId, claim, retryInMs, JSON.stringify(failure), tokens],
  });
}

/** Gives a fetch up that said nothing of the endpoint. */
export async function releaseFetch(
  pool: pg.Pool,
  connectionId: string,
  claim: string,
): Promise<void> {
  await pool.query(
    "UPDATE oauth_tokens SET fetching_by = NULL, fetching_until = NULL WHERE connection_id = $1 AND fetching_by = $2",
    [connectionId, claim],
  );
}

/** The newest form of a connection; null: it is gone. */
export async function readConnectionRevision(pool: pg.Pool, id: string): Promise<number | null> {
  const { rows } = await pool.query<{ revision: number }>(
    "SELECT revision::float8 FROM connections WHERE id = $1",
    [id],
  );
  return rows[0]?.revision ?? null;
}
