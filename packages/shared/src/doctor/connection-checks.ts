import type pg from "pg";
import { connectionsOf } from "../process/connections.ts";
import { error, ok, warning, type Finding } from "./finding.ts";

/** For a migration, an operator's own session and this check. */
const spare = 4;
const nearlyAll = 0.9;

interface ConnectionsRow {
  max: number;
  reserved: number;
  open: number;
  live: { kind: "api" | "worker"; engines: number }[];
}

/** Whether Postgres takes as many connections as all processes that live may open. */
export async function checkConnectionLimit(pool: pg.Pool, onRedis: boolean): Promise<Finding[]> {
  const { rows } = await pool.query<ConnectionsRow>(
    `SELECT current_setting('max_connections')::int AS max,
       current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS open,
       (SELECT coalesce(json_agg(json_build_object('kind', p.kind, 'engines',
          (SELECT count(*) FROM process_engines s WHERE s.process_id = p.id))), '[]')
        FROM processes p WHERE p.lease_until > now()) AS live`,
  );
  const [row] = rows;
  return row === undefined ? [] : [judgeConnections(row, onRedis)];
}

/** See {@link checkConnectionLimit}. */
export function judgeConnections(row: ConnectionsRow, onRedis: boolean): Finding {
  const id = "postgres.connections";
  const { max, reserved, open, live } = row;
  const usable = max - reserved;
  const needed = live.reduce(
    (sum, { kind, engines }) => sum + connectionsOf(kind, engines, onRedis),
    0,
  );
  const count = (kind: string) => live.filter((one) => one.kind === kind).length;
  const detail = `${count("api")} API and ${count("worker")} worker processes live and may open ${needed}; ${usable} of max_connections ${max} are for them, ${open} are open now`;
  const wanted = Math.ceil((needed + spare + reserved) / 50) * 50 + 50;
  const remedy = [
    `psql "$DATABASE_URL" -c "ALTER SYSTEM SET max_connections = ${wanted}"   # then restart PostgreSQL`,
    onRedis
      ? "# or fewer processes"
      : "# or set REDIS_URL: without it each engine version of each worker holds one",
  ].join("\n");
  if (needed + spare > usable) {
    return error(id, "PostgreSQL takes too few connections", detail, remedy);
  }
  if (open > usable * nearlyAll) {
    return warning(id, "Nearly all of PostgreSQL's connections are open", detail, remedy);
  }
  return ok(id, "PostgreSQL takes enough connections", detail);
}
