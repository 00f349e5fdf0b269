import type { ProblemError, RegisterEngine } from "@tl-engine/contract";
import type pg from "pg";
import { fingerprintOf } from "../catalogue/publish.ts";
import type { Database } from "../db/database.ts";
import { inTransaction } from "../db/transaction.ts";
import { judgeSchema } from "../json-schema/judge-schema.ts";
import { createSchemaCheck } from "../json-schema/schema-check.ts";
import type { Signals } from "../signals/signals.ts";
import { checkConnection } from "./check-connection.ts";
import { EngineExistsError, RemoteEngineInvalidError } from "./remote-engine-errors.ts";
import { settlePolicy } from "./settle-policy.ts";

/**
 * Registers a version of a remote engine, and tells all processes: it is in the catalogue at once, and workers begin to
 * take its executions.
 * @throws RemoteEngineInvalidError; EngineExistsError where it is registered, or workers have an engine of this id
 */
export async function registerRemoteEngine(
  { pool }: Database,
  signals: Pick<Signals, "publish">,
  wanted: RegisterEngine,
): Promise<void> {
  const { id, version, input_schema, output_schema, connection } = wanted;
  const errors: ProblemError[] = [
    ...judgeSchema(input_schema, "/input_schema"),
    ...judgeSchema(output_schema, "/output_schema"),
  ];
  const policy = settlePolicy(wanted.policy, connection, errors);
  if (errors.length === 0) errors.push(...judgeExample(wanted.example, input_schema));
  if (errors.length > 0) throw new RemoteEngineInvalidError(errors);
  await inTransaction(pool, async (client) => {
    // Workers that publish at this moment wait, and so do others who register: of two that want an id one gets it.
    // Nothing on the path of an execution writes this table.
    await client.query("LOCK TABLE engine_versions IN SHARE ROW EXCLUSIVE MODE");
    await checkFree(client, id, version);
    await checkConnection(client, connection);
    await client.query(
      `INSERT INTO engine_versions AS v (engine_id, version, title, description, input_schema, output_schema, example, policy,
         fingerprint)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (engine_id, version) DO UPDATE SET title = excluded.title, description = excluded.description,
         input_schema = excluded.input_schema, output_schema = excluded.output_schema, example = excluded.example,
         policy = excluded.policy, fingerprint = excluded.fingerprint, last_served_at = now(), published_at = now()`,
      [
        id,
        version,
        wanted.title ?? id,
        wanted.description ?? null,
        JSON.stringify(input_schema),
        JSON.stringify(output_schema),
        wanted.example === undefined ? null : JSON.stringify(wanted.example),
        JSON.stringify(policy),
        fingerprintOf({ id, version, input_schema, output_schema, policy }),
      ],
    );
    await client.query(
      `INSERT INTO remote_engines (engine_id, version, connection, method, path, is_active)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        id,
        version,
        connection,
        wanted.method ?? "POST",
        wanted.path ?? "/",
        wanted.is_active ?? true,
      ],
    );
  });
  signals.publish("catalogue", id);
}

/** An example that callers are shown has to be one that they can send. */
export function judgeExample(example: unknown, schema: Record<string, unknown>): ProblemError[] {
  if (example === undefined || example === null) return [];
  return createSchemaCheck()(
    { name: "example", fingerprint: "", schema },
    { value: example, bytes: 0, pointer: "/example", noun: "input" },
  );
}

/** @throws EngineExistsError */
async function checkFree(client: pg.PoolClient, id: string, version: number): Promise<void> {
  const same = await client.query(
    "SELECT FROM remote_engines WHERE engine_id = $1 AND version = $2",
    [id, version],
  );
  if (same.rows.length > 0) {
    throw new EngineExistsError(
      `${id}@${version} is registered already: change it, or register a new version`,
    );
  }
  // One that a worker has published and not begun to serve counts as well.
  const worker = await client.query(
    `SELECT FROM engine_versions v WHERE v.engine_id = $1
       AND NOT EXISTS (SELECT FROM remote_engines r WHERE r.engine_id = v.engine_id AND r.version = v.version)
       AND (v.last_served_at > now() - interval '2 minutes'
         OR EXISTS (SELECT FROM process_engines s JOIN processes p ON p.id = s.process_id
           WHERE s.engine_id = v.engine_id AND s.version = v.version AND p.lease_until > now())
         OR (SELECT coalesce(sum(queued + scheduled + running), 0) FROM engine_counters c
           WHERE c.engine_id = v.engine_id AND c.version = v.version) > 0)
     LIMIT 1`,
    [id],
  );
  if (worker.rows.length > 0) {
    throw new EngineExistsError(`${id} is an engine that workers have; choose another id`);
  }
}
