import type { ColumnType, Generated } from "kysely";
import type { ConnectionsTable } from "../connections/table.ts";
import type { ApiKeysTable } from "../keys/table.ts";
import type { RateLimitsTable } from "../rate-limit/table.ts";

type Written = ColumnType<Date, Date | undefined, Date>;

/** The tables of migrations/, as far as they are reached through the query builder. */
export interface Tables {
  api_keys: ApiKeysTable;
  rate_limits: RateLimitsTable;
  connections: ConnectionsTable;
  processes: ProcessesTable;
  process_engines: ProcessEnginesTable;
  engine_versions: EngineVersionsTable;
}

export interface ProcessesTable {
  id: string;
  kind: "api" | "worker";
  host: string;
  pid: number;
  started_at: Written;
  lease_until: Date;
  enqueued_through: Written;
  draining: Generated<boolean>;
}

export interface ProcessEnginesTable {
  process_id: string;
  engine_id: string;
  version: number;
  slots: number;
}

export interface EngineVersionsTable {
  engine_id: string;
  version: number;
  title: string;
  description: string | null;
  input_schema: ColumnType<Record<string, unknown>, string, string>;
  output_schema: ColumnType<Record<string, unknown>, string, string>;
  example: ColumnType<unknown, string | null, string | null>;
  policy: ColumnType<Record<string, unknown>, string, string>;
  fingerprint: string;
  published_at: Written;
  last_served_at: Written;
}
