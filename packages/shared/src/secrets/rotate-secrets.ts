import type pg from "pg";
import type { SecretBox } from "./secret-box.ts";
import { SecretUnreadableError, type SecretUnreadableReason } from "./secret-errors.ts";
import { sealedColumns, type SealedColumn } from "./sealed-columns.ts";

/** What became of one column. */
export interface RotatedColumn {
  readonly table: string;
  readonly column: string;
  /** Envelopes that were there. */
  readonly total: number;
  /** Those of them that are under the current key now and were not before. */
  readonly rotated: number;
  /** Those that none of the keys opens, by why; they stay as they are. */
  readonly unreadable: Readonly<Partial<Record<SecretUnreadableReason, number>>>;
}

/** Rows that one statement looks at. */
const pageRows = 500;

/**
 * Seals every envelope of every table anew with the current key. In small statements, each of which changes only what is
 * still as it was read: it may run beside everything else, be broken off, and run again.
 */
export async function rotateSecrets(
  pool: Pick<pg.Pool, "query">,
  box: SecretBox,
): Promise<RotatedColumn[]> {
  const all: RotatedColumn[] = [];
  // One after the other: it is in nobody's way.
  // oxlint-disable-next-line no-await-in-loop
  for (const column of sealedColumns) all.push(await rotateColumn(pool, box, column));
  return all;
}

interface Row {
  key: string;
  subject: string | null;
  /** null: it is under the current key. */
  envelope: string | null;
  is_sealed: boolean;
}

async function rotateColumn(
  pool: Pick<pg.Pool, "query">,
  box: SecretBox,
  place: SealedColumn,
): Promise<RotatedColumn> {
  const { table, column, key, subject } = place;
  const unreadable: Partial<Record<SecretUnreadableReason, number>> = {};
  let [total, rotated] = [0, 0];
  let after: string | null = null;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a page begins where the one before ended
    const { rows }: { rows: Row[] } = await pool.query<Row>(
      `SELECT ${key.column}::text AS key, ${subject}::text AS subject, ${column} IS NOT NULL AS is_sealed,
         CASE WHEN ${column} NOT LIKE $1 THEN ${column} END AS envelope
       FROM ${table} WHERE $2::text IS NULL OR ${key.column} > $2::${key.type}
       ORDER BY ${table}.${key.column} LIMIT ${pageRows}`,
      [`v1.${box.currentKeyId}.%`, after],
    );
    total += rows.filter((row) => row.is_sealed).length;
    const anew = rows.flatMap((row) => reseal(row, box, place, unreadable));
    // oxlint-disable-next-line no-await-in-loop
    rotated += await store(pool, place, anew);
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows)
      return { table, column, total, rotated, unreadable };
    after = last.key;
  }
}

interface Anew {
  key: string;
  before: string;
  after: string;
}

function reseal(
  { key, subject, envelope }: Row,
  box: SecretBox,
  place: SealedColumn,
  unreadable: Partial<Record<SecretUnreadableReason, number>>,
): Anew[] {
  if (envelope === null) return [];
  const context = place.context(subject ?? "");
  try {
    return [{ key, before: envelope, after: box.seal(box.open(envelope, context), context) }];
  } catch (error) {
    if (!(error instanceof SecretUnreadableError)) throw error;
    unreadable[error.reason] = (unreadable[error.reason] ?? 0) + 1;
    return [];
  }
}

/** A secret that was changed meanwhile stays as it was changed. */
async function store(
  pool: Pick<pg.Pool, "query">,
  { table, column, key }: SealedColumn,
  anew: readonly Anew[],
): Promise<number> {
  if (anew.length === 0) return 0;
  const { rowCount } = await pool.query(
    `UPDATE ${table} AS t SET ${column} = v.after
     FROM unnest($1::${key.type}[], $2::text[], $3::text[]) AS v(key, before, after)
     WHERE t.${key.column} = v.key AND t.${column} = v.before`,
    [anew.map((one) => one.key), anew.map((one) => one.before), anew.map((one) => one.after)],
  );
  return rowCount ?? 0;
}
