import type { Key } from "@tl-engine/contract";
import type { Selectable } from "kysely";
import type { ApiKeysTable } from "./table.ts";

/** A program's key as it is kept; its secret is not part of it. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  /** Of the key as it was shown last, so that its owner can tell which one it is. */
  readonly lastFour: string;
  readonly scopes: readonly string[];
  /** null: every engine. */
  readonly engines: readonly string[] | null;
  /** Requests in a window; null: no limit; "default": what the configuration says. */
  readonly rateLimit: number | null | "default";
  readonly isActive: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /** To the minute. */
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

export const recordColumns = [
  "id",
  "name",
  "last_four",
  "scopes",
  "engines",
  "rate_limit",
  "rate_unlimited",
  "is_active",
  "created_at",
  "expires_at",
  "last_used_at",
  "revoked_at",
] as const satisfies (keyof ApiKeysTable)[];

type Row = Pick<Selectable<ApiKeysTable>, (typeof recordColumns)[number]>;

export function recordOf(row: Row): KeyRecord {
  return {
    id: row.id,
    name: row.name,
    lastFour: row.last_four,
    scopes: row.scopes,
    engines: row.engines,
    rateLimit: rateLimitOf(row),
    isActive: row.is_active,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}

export function rateLimitOf(
  row: Pick<Row, "rate_limit" | "rate_unlimited">,
): number | null | "default" {
  return row.rate_unlimited ? null : (row.rate_limit ?? "default");
}

/** How a limit is kept; the opposite of `rateLimitOf`. */
export function rateColumns(rateLimit: number | null): {
  rate_limit: number | null;
  rate_unlimited: boolean;
} {
  return { rate_limit: rateLimit, rate_unlimited: rateLimit === null };
}

/**
 * A key's record as JSON.
 * @param defaultRateLimit `rateLimit` of the configuration: the record shows the number that counts
 */
export function describeKey(record: KeyRecord, defaultRateLimit: number): Key {
  return {
    id: record.id,
    name: record.name,
    last_four: record.lastFour,
    scopes: [...record.scopes],
    engines: record.engines && [...record.engines],
    rate_limit: record.rateLimit === "default" ? defaultRateLimit : record.rateLimit,
    is_active: record.isActive,
    created_at: record.createdAt.toISOString(),
    expires_at: record.expiresAt?.toISOString() ?? null,
    last_used_at: record.lastUsedAt?.toISOString() ?? null,
    revoked_at: record.revokedAt?.toISOString() ?? null,
  };
}
