import type { Connection } from "@tl-engine/contract";
import type { Database } from "../db/database.ts";
import { describeConnection, recordColumns } from "./connection-record.ts";

export interface ConnectionPage {
  readonly connections: readonly Connection[];
  /** The last id of this page, to be handed in as `after`; null at the end. */
  readonly nextPlace: string | null;
}

/** All connections by id. @param after the last id of the page before */
export async function listConnections(
  db: Database,
  { limit, after }: { limit: number; after: string | null },
): Promise<ConnectionPage> {
  let query = db.sql
    .selectFrom("connections")
    .select(recordColumns)
    .orderBy("id")
    .limit(limit + 1);
  if (after !== null) query = query.where("id", ">", after);
  const rows = await query.execute();
  const connections = rows.slice(0, limit).map(describeConnection);
  const last = rows.length > limit ? connections.at(-1) : undefined;
  return { connections, nextPlace: last?.id ?? null };
}
