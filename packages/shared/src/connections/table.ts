import type { ConnectionConfig } from "@tl-engine/contract";
import type { ColumnType, Generated } from "kysely";

/** Connections: `migrations/0009_connections.sql` says what the columns mean. */
export interface ConnectionsTable {
  id: string;
  kind: "http" | "grpc" | "websocket" | "smtp";
  config: ColumnType<ConnectionConfig, string, string>;
  secrets: string | null;
  /** A bigint, which the driver gives as text. */
  revision: ColumnType<string, never, string>;
  is_active: Generated<boolean>;
  created_at: ColumnType<Date, never, never>;
  updated_at: ColumnType<Date, never, Date>;
}
