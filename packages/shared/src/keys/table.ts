import type { ColumnType, Generated } from "kysely";

/** Programs' keys: `migrations/0002_keys_and_limits.sql` says what the columns mean. */
export interface ApiKeysTable {
  id: string;
  name: string;
  secret_hash: Buffer;
  last_four: string;
  previous_secret_hash: ColumnType<Buffer | null, Buffer | null | undefined, Buffer | null>;
  previous_ends_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  scopes: string[];
  engines: string[] | null;
  rate_limit: number | null;
  rate_unlimited: Generated<boolean>;
  is_active: Generated<boolean>;
  created_at: ColumnType<Date, never, never>;
  expires_at: Date | null;
  last_used_at: ColumnType<Date | null, never, Date>;
  revoked_at: ColumnType<Date | null, never, Date>;
}
