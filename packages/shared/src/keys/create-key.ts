import { defaultScopes, type CreateKey } from "@tl-engine/contract";
import type { Database } from "../db/database.ts";
import { makeKey } from "./key-format.ts";
import { rateColumns, recordColumns, recordOf, type KeyRecord } from "./key-record.ts";

export interface KeyWithItsSecret {
  readonly record: KeyRecord;
  /** Shown this once; it is kept nowhere. */
  readonly key: string;
}

/** Makes a program's key. Without `scopes` it gets the default ones, without `engines` all engines. */
export async function createKey(db: Database, wanted: CreateKey): Promise<KeyWithItsSecret> {
  const made = makeKey();
  const row = await db.sql
    .insertInto("api_keys")
    .values({
      id: made.id,
      name: wanted.name,
      secret_hash: made.secretHash,
      last_four: made.lastFour,
      scopes: [...new Set(wanted.scopes ?? defaultScopes)],
      engines: wanted.engines ? [...new Set(wanted.engines)] : null,
      expires_at: wanted.expires_at ? new Date(wanted.expires_at) : null,
      ...(wanted.rate_limit === undefined
        ? { rate_limit: null, rate_unlimited: false }
        : rateColumns(wanted.rate_limit)),
    })
    .returning(recordColumns)
    .executeTakeFirstOrThrow();
  return { record: recordOf(row), key: made.key };
}
