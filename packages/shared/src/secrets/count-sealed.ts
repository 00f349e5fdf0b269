import type pg from "pg";
import { sealedColumns } from "./sealed-columns.ts";

/** How many envelopes of a column are under one key. */
export interface SealedCount {
  readonly table: string;
  readonly column: string;
  readonly keyId: string;
  readonly count: number;
}

/** Of each column only so many rows are looked at, the oldest keys first, so that a long log delays nobody. */
const mostRows = 10_000;

/** Counts the envelopes of every column by the key that each says it was sealed with. Reads no secret. */
export async function countSealed(pool: Pick<pg.Pool, "query">): Promise<SealedCount[]> {
  const counts = await Promise.all(
    sealedColumns.map(async ({ table, column, key }) => {
      const { rows } = await pool.query<{ key_id: string; count: number }>(
        `SELECT split_part(envelope, '.', 2) AS key_id, count(*)::int AS count
         FROM (SELECT ${column} AS envelope FROM ${table} ORDER BY ${key.column} LIMIT ${mostRows}) AS page
         WHERE envelope IS NOT NULL GROUP BY 1 ORDER BY 1`,
      );
      return rows.map((row) => ({ table, column, keyId: row.key_id, count: row.count }));
    }),
  );
  return counts.flat();
}
