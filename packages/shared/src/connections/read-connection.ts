import type { ConnectionConfig, ConnectionKind } from "@tl-engine/contract";
import type pg from "pg";

/** A connection as it is kept: its secrets still sealed. */
export interface StoredConnection {
  readonly id: string;
  readonly kind: ConnectionKind;
  readonly config: ConnectionConfig;
  readonly secrets: string | null;
  /** Grows with every change, and is never used twice, not even by a connection of the same id made later. */
  readonly revision: number;
  readonly is_active: boolean;
  /** Engines that may use it; null: all. */
  readonly engines: readonly string[] | null;
  /** Callers whose executions may use it; null: all. */
  readonly callers: readonly string[] | null;
}

/** Reads one connection, whoever may use it: that is for whoever asks to look at. @returns null where there is none */
export async function readConnection(pool: pg.Pool, id: string): Promise<StoredConnection | null> {
  const { rows } = await pool.query<{
    id: string;
    kind: ConnectionKind;
    config: ConnectionConfig;
    secrets: string | null;
    revision: string;
    is_active: boolean;
  }>("SELECT id, kind, config, secrets, revision, is_active FROM connections WHERE id = $1", [id]);
  const [row] = rows;
  if (row === undefined) return null;
  const { engines, callers } = row.config;
  return { ...row, revision: Number(row.revision), engines, callers };
}
