import { isDeepStrictEqual } from "node:util";
import type { ChangeEngine, ProblemError } from "@tl-engine/contract";
import type pg from "pg";
import type { EnginePolicy } from "../catalogue/policy.ts";
import { fingerprintOf } from "../catalogue/publish.ts";
import type { Database } from "../db/database.ts";
import { inTransaction } from "../db/transaction.ts";
import type { Signals } from "../signals/signals.ts";
import { checkConnection } from "./check-connection.ts";
import { judgeExample } from "./register-remote-engine.ts";
import { RemoteEngineInvalidError, RemoteEngineNotFoundError } from "./remote-engine-errors.ts";
import { settlePolicy, usesOf } from "./settle-policy.ts";

interface KnownRow {
  version: number;
  title: string;
  description: string | null;
  input_schema: Record<string, unknown>;
  output_schema: Record<string, unknown>;
  example: unknown;
  policy: EnginePolicy;
  connection: string;
  method: string;
  path: string;
  is_active: boolean;
}

/**
 * Changes the members that are given. Schemas stay: what an accepted input means must not change under it, and who calls
 * relies on what comes out; a new version has new ones. A policy counts for what is submitted from now on, its backoff and
 * concurrency at once; connection, method and path for each attempt that starts from now on.
 * @param version null: the highest that is registered
 * @returns the version that was changed
 * @throws RemoteEngineNotFoundError | RemoteEngineInvalidError
 */
export async function changeRemoteEngine(
  { pool }: Database,
  signals: Pick<Signals, "publish">,
  { id, version }: { id: string; version: number | null },
  change: ChangeEngine,
): Promise<number> {
  const changed = await inTransaction(pool, async (client) => {
    const known = await find(client, id, version);
    const errors: ProblemError[] = [];
    for (const name of ["input_schema", "output_schema"] as const) {
      const given = change[name];
      if (given !== undefined && !isDeepStrictEqual(plain(given), plain(known[name]))) {
        const detail = `is another one than ${id}@${known.version} was registered with; register a new version`;
        errors.push({ pointer: `/${name}`, detail });
      }
    }
    const connection = change.connection ?? known.connection;
    const policy =
      change.policy === undefined
        ? { ...known.policy, uses: usesOf(connection) }
        : settlePolicy(change.policy, connection, errors);
    if (errors.length === 0) errors.push(...judgeExample(change.example, known.input_schema));
    if (errors.length > 0) throw new RemoteEngineInvalidError(errors);
    if (change.connection !== undefined) await checkConnection(client, connection);
    const { input_schema, output_schema } = known;
    const example = change.example === undefined ? known.example : change.example;
    await client.query(
      `UPDATE engine_versions SET title = $3, description = $4, example = $5, policy = $6, fingerprint = $7
       WHERE engine_id = $1 AND version = $2`,
      [
        id,
        known.version,
        change.title ?? known.title,
        change.description === undefined ? known.description : change.description,
        example === null ? null : JSON.stringify(example),
        JSON.stringify(policy),
        fingerprintOf({ id, version: known.version, input_schema, output_schema, policy }),
      ],
    );
    await client.query(
      `UPDATE remote_engines SET connection = $3, method = $4, path = $5, is_active = $6, updated_at = now(),
         revision = nextval('remote_engine_revisions')
       WHERE engine_id = $1 AND version = $2`,
      [
        id,
        known.version,
        connection,
        change.method ?? known.method,
        change.path ?? known.path,
        change.is_active ?? known.is_active,
      ],
    );
    return known.version;
  });
  signals.publish("catalogue", id);
  return changed;
}

/** @throws RemoteEngineNotFoundError */
async function find(client: pg.PoolClient, id: string, version: number | null): Promise<KnownRow> {
  const { rows } = await client.query<KnownRow>(
    `SELECT r.version, v.title, v.description, v.input_schema, v.output_schema, v.example, v.policy, r.connection, r.method,
       r.path, r.is_active
     FROM remote_engines r JOIN engine_versions v ON v.engine_id = r.engine_id AND v.version = r.version
     WHERE r.engine_id = $1 AND ($2::int IS NULL OR r.version = $2) ORDER BY r.version DESC LIMIT 1 FOR UPDATE`,
    [id, version],
  );
  const [row] = rows;
  if (row === undefined) {
    throw new RemoteEngineNotFoundError(version === null ? id : `${id}@${version}`);
  }
  return row;
}

/** As it reads from JSON: without what an object may have besides. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}
