import type pg from "pg";
import { error, ok, warning, type Finding } from "./finding.ts";

/** The oldest major version that the tests run on. */
const oldestMajor = 15;
/** A transaction that is open for longer keeps dead rows of every table, ms. */
const longTransactionMs = 300_000;
/** So many dead rows, and more of them than of living ones, slow down what looks for unfinished executions. */
const manyDeadRows = 100_000;

const reload = '-c "SELECT pg_reload_conf()"';
/** A setting of the server, changed for good. */
const alter = (setting: string) => `psql "$DATABASE_URL" -c "ALTER SYSTEM SET ${setting}"`;

interface SettingsRow {
  version_num: number;
  version: string;
  standby: boolean;
  read_only: boolean;
  fsync: string;
  full_page_writes: string;
  synchronous_commit: string;
  autovacuum: string;
}

/** Version and durability: what a commit is worth on this server. @throws where Postgres cannot be reached */
export async function checkPostgresSettings(pool: pg.Pool): Promise<Finding[]> {
  const { rows } = await pool.query<SettingsRow>(
    `SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
       pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::bool AS read_only,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('autovacuum') AS autovacuum`,
  );
  const [server] = rows;
  if (server === undefined) return [];
  return [judgeVersion(server), ...judgeDurability(server)];
}

function judgeVersion({ version_num: number, version, standby, read_only }: SettingsRow): Finding {
  const id = "postgres.version";
  const name = `PostgreSQL ${version.split(" ")[0]}`;
  if (standby || read_only) {
    return error(
      id,
      `${name} takes no writes`,
      standby ? "it is a standby" : "default_transaction_read_only is on",
      standby
        ? "# set DATABASE_URL to the primary, or let libpq find it: …?target_session_attrs=read-write"
        : `${alter("default_transaction_read_only = off")} ${reload}`,
    );
  }
  if (number < oldestMajor * 10_000) {
    return error(
      id,
      `${name} is too old`,
      `this build is tested on ${oldestMajor} to 18`,
      "# upgrade PostgreSQL to 18, for example with pg_upgrade, or: image: postgres:18",
    );
  }
  return ok(id, name);
}

function judgeDurability(server: SettingsRow): Finding[] {
  const { fsync, full_page_writes: pages, synchronous_commit: sync, autovacuum } = server;
  const findings: Finding[] = [];
  for (const [name, value] of [
    ["fsync", fsync],
    ["full_page_writes", pages],
  ] as const) {
    if (value === "on") continue;
    findings.push(
      error(
        `postgres.${name}`,
        `PostgreSQL's ${name} is off`,
        "a crash of the machine can destroy the whole database, and with it what was accepted",
        `${alter(`${name} = on`)} ${reload}`,
      ),
    );
  }
  if (sync === "off") {
    findings.push(
      error(
        "postgres.synchronous_commit",
        "PostgreSQL's synchronous_commit is off",
        "a 202 is answered before its commit is on the disk: a crash of the server loses the last of what was accepted",
        [
          `${alter("synchronous_commit = on")} ${reload}`,
          "# set for this role or this database alone? Then:",
          'psql "$DATABASE_URL" -c "ALTER ROLE CURRENT_USER RESET synchronous_commit"',
        ].join("\n"),
      ),
    );
  }
  if (findings.length === 0) {
    findings.push(ok("postgres.durability", "A commit is on the disk before it is answered"));
  }
  if (autovacuum !== "on") {
    findings.push(
      error(
        "postgres.autovacuum",
        "PostgreSQL's autovacuum is off",
        "dead rows of executions and leases are never removed: starts get slower and slower",
        `${alter("autovacuum = on")} ${reload}`,
      ),
    );
  }
  return findings;
}

/**
 * What keeps dead rows alive, and where they have gathered already.
 * @param openForMs a transaction that is open for longer counts, ms
 */
export async function checkVacuum(
  pool: pg.Pool,
  openForMs = longTransactionMs,
): Promise<Finding[]> {
  const [held, dead] = await Promise.all([
    holdersOfOldRows(pool, openForMs),
    tablesWithDeadRows(pool),
  ]);
  if (held.length + dead.length > 0) return [...held, ...dead];
  return [ok("postgres.vacuum", "Nothing keeps dead rows")];
}

async function holdersOfOldRows(pool: pg.Pool, openForMs: number): Promise<Finding[]> {
  const { rows } = await pool.query<{ what: string; name: string; seconds: number; mend: string }>(
    `SELECT 'session' AS what, format('process %s, %s, %s', pid, coalesce(nullif(application_name, ''), 'unnamed'), state) AS name,
       extract(epoch FROM now() - xact_start)::float8 AS seconds, format('SELECT pg_terminate_backend(%s)', pid) AS mend
     FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
       AND backend_type = 'client backend' AND xact_start < now() - $1 * interval '1 millisecond'
     UNION ALL
     SELECT 'prepared transaction', gid, extract(epoch FROM now() - prepared)::float8, format('ROLLBACK PREPARED %L', gid)
     FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - $1 * interval '1 millisecond'
     UNION ALL
     SELECT 'replication slot', slot_name, age(coalesce(xmin, catalog_xmin))::float8, format('SELECT pg_drop_replication_slot(%L)', slot_name)
     FROM pg_replication_slots WHERE NOT active AND (xmin IS NOT NULL OR catalog_xmin IS NOT NULL)
     ORDER BY 3 DESC LIMIT 5`,
    [openForMs],
  );
  return rows.map(({ what, name, seconds, mend }) =>
    warning(
      "postgres.long_transaction",
      what === "replication slot"
        ? `An unused replication slot keeps dead rows: ${name}`
        : `A ${what} is open for ${Math.round(seconds / 60)} min: ${name}`,
      "while it is, no dead row of any table can be removed: starts and settles get slower",
      `psql "$DATABASE_URL" -c "${mend}"`,
    ),
  );
}

async function tablesWithDeadRows(pool: pg.Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{
    name: string;
    dead: number;
    live: number;
    last: Date | null;
  }>(
    `SELECT relid::regclass::text AS name, n_dead_tup::float8 AS dead, n_live_tup::float8 AS live,
       greatest(last_vacuum, last_autovacuum) AS last
     FROM pg_stat_user_tables WHERE n_dead_tup > $1 AND n_dead_tup > n_live_tup ORDER BY n_dead_tup DESC LIMIT 5`,
    [manyDeadRows],
  );
  return rows.map(({ name, dead, live, last }) =>
    warning(
      "postgres.dead_rows",
      `${name} has more dead rows than living ones`,
      `${dead} dead, ${live} living; last vacuumed ${last === null ? "never" : last.toISOString()}`,
      `psql "$DATABASE_URL" -c "VACUUM (ANALYZE) ${name}"`,
    ),
  );
}
