import { sql } from "kysely";
import type { Database } from "../db/database.ts";
import { recordColumns, recordOf, type KeyRecord } from "./key-record.ts";

export interface KeyPage {
  readonly keys: readonly KeyRecord[];
  /** Where the next page goes on, to be handed in as `after`; null at the end. */
  readonly nextPlace: string | null;
}

/**
 * All keys, newest first, revoked ones too.
 * @param after `nextPlace` of the page before
 */
export async function listKeys(
  db: Database,
  { limit, after }: { limit: number; after: string | null },
): Promise<KeyPage> {
  let query = db.sql
    .selectFrom("api_keys")
    .select(recordColumns)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit + 1);
  if (after !== null) {
    const [createdAt, id] = after.split(" ");
    query = query.where(sql<boolean>`(created_at, id) < (${createdAt}::timestamptz, ${id})`);
  }
  const rows = await query.execute();
  const keys = rows.slice(0, limit).map(recordOf);
  const last = rows.length > limit ? keys.at(-1) : undefined;
  return { keys, nextPlace: last ? `${last.createdAt.toISOString()} ${last.id}` : null };
}
