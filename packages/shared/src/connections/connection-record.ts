import type { Connection } from "@tl-engine/contract";
import type { Selectable } from "kysely";
import type { ConnectionsTable } from "./table.ts";

/** What is shown of a connection: the envelope of its secrets is not read for it. */
export const recordColumns = [
  "id",
  "kind",
  "config",
  "revision",
  "is_active",
  "created_at",
  "updated_at",
] as const satisfies (keyof ConnectionsTable)[];

type Row = Pick<Selectable<ConnectionsTable>, (typeof recordColumns)[number]>;

/** A connection as JSON. */
export function describeConnection(row: Row): Connection {
  const { config } = row;
  return {
    id: row.id,
    kind: row.kind,
    base_url: config.base_url,
    description: config.description,
    headers: config.headers,
    auth: config.auth,
    tls: config.tls,
    timeouts: config.timeouts,
    retry: config.retry,
    methods: config.methods,
    paths: config.paths,
    concurrency: config.concurrency,
    rate: config.rate,
    breaker: config.breaker,
    engines: config.engines,
    callers: config.callers,
    log: config.log,
    is_active: row.is_active,
    revision: Number(row.revision),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
