import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Tables } from "./tables.ts";

/** The way to Postgres: a query builder for the wide rest, the pool for the statements on the hot path. */
export interface Database {
  readonly sql: Kysely<Tables>;
  readonly pool: pg.Pool;
}

export interface DatabaseOptions {
  /** Connection string. */
  url: string;
  /** Most connections that the pool opens. */
  max: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** A statement that takes longer fails, and does so on the server; {@link defaultQueryTimeoutMs} where it is left out. */
  queryTimeoutMs?: number;
  /** Hears the errors of idle connections, which would otherwise end the process. */
  onError: (error: Error) => void;
}

/** How long a statement may take, ms. */
export const defaultQueryTimeoutMs = 10_000;

/**
 * Every statement of ours finds its rows by an index. A prepared statement is planned while the table is small, and the
 * plan stays when it has grown: one that reads the whole table would make each start dearer than the one before.
 */
const sessionSettings = [
  // Times are compared and shown in UTC whatever the server's zone is.
  "timezone=UTC",
  "enable_seqscan=off",
  "enable_hashjoin=off",
  "enable_mergejoin=off",
  "jit=off",
  // A process that is frozen between two statements of a transaction must not keep its locks.
  "idle_in_transaction_session_timeout=5s",
];
/** How much longer the client waits than the server works, ms: what it gives up on is over by then. */
const answerMs = 1_000;

/**
 * An idle connection is probed after so long, ms: one that was cut in silence is noticed some 10 s later. The system's own
 * default is two hours.
 */
export const keepAliveInitialDelayMillis = 10_000;

/** Opens a pool; connections are made on first use. */
export function openDatabase(options: DatabaseOptions): Database {
  const timeoutMs = options.queryTimeoutMs ?? defaultQueryTimeoutMs;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: 2_000,
    statement_timeout: timeoutMs,
    query_timeout: timeoutMs + answerMs,
    keepAlive: true,
    keepAliveInitialDelayMillis,
    options: sessionSettings.map((setting) => `-c ${setting}`).join(" "),
  });
  pool.on("error", options.onError);
  // A checked-out client that loses its connection emits on itself as well (brianc/node-postgres#3202).
  pool.on("connect", (client) => {
    client.on("error", options.onError);
  });
  return { sql: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }), pool };
}

/** Ends the pool once its running statements are done. */
export async function closeDatabase(db: Database): Promise<void> {
  await db.sql.destroy();
  // The query builder ends the pool only where it was used.
  if (!db.pool.ended) await db.pool.end();
}
