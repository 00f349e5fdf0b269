import { randomBytes } from "node:crypto";
import type pg from "pg";
import { programCallerId, type ProgramCaller } from "../callers/caller.ts";
import { rateLimitOf } from "./key-record.ts";

/** What a check needs of a record, as it was when it was read. */
export interface KnownKey {
  /** null: nobody may come in with it, because it is unknown, off, revoked or expired. */
  readonly caller: ProgramCaller | null;
  readonly secretHash: Buffer;
  readonly previousSecretHash: Buffer;
  /** After so many milliseconds it has to be read anew: a secret or the key ends. Infinity: no such end. */
  readonly holdsMs: number;
}

/** A hash that no secret has: an unknown key is compared like a known one, and costs the same time. */
const noHash = randomBytes(32);

export const unknownKey: KnownKey = {
  caller: null,
  secretHash: noHash,
  previousSecretHash: noHash,
  holdsMs: Infinity,
};

/** Whether it is usable, and until when, is judged by Postgres' clock. */
const statement = `
SELECT id, secret_hash, scopes, engines, rate_limit, rate_unlimited,
  CASE WHEN previous_ends_at > now() THEN previous_secret_hash END AS previous_secret_hash,
  is_active AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS usable,
  (extract(epoch FROM least(
    CASE WHEN previous_ends_at > now() THEN previous_ends_at END,
    CASE WHEN expires_at > now() THEN expires_at END
  ) - now()) * 1000)::float8 AS holds_ms
FROM api_keys WHERE id = ANY($1)`;

interface Row {
  id: string;
  secret_hash: Buffer;
  previous_secret_hash: Buffer | null;
  scopes: string[];
  engines: string[] | null;
  rate_limit: number | null;
  rate_unlimited: boolean;
  usable: boolean;
  holds_ms: number | null;
}

/** Reads many records in one statement; `unknownKey` for an id that there is not. */
export async function lookUpKeys(pool: pg.Pool, ids: readonly string[]): Promise<KnownKey[]> {
  const { rows } = await pool.query<Row>({
    name: "look_up_keys",
    text: statement,
    values: [ids],
  });
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = byId.get(id);
    return row === undefined ? unknownKey : knownKey(row);
  });
}

function knownKey(row: Row): KnownKey {
  const caller: ProgramCaller = {
    kind: "program",
    id: programCallerId(row.id),
    keyId: row.id,
    scopes: new Set(row.scopes),
    engines: row.engines && new Set(row.engines),
    rateLimit: rateLimitOf(row),
  };
  return {
    caller: row.usable ? caller : null,
    secretHash: row.secret_hash,
    previousSecretHash: row.previous_secret_hash ?? noHash,
    holdsMs: row.holds_ms ?? Infinity,
  };
}
