import { createHash } from "node:crypto";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import type { EnginePolicy } from "./policy.ts";

/** What a worker says of an engine version that it has. */
export interface EngineDescriptor {
  id: string;
  version: number;
  title: string;
  description: string | null;
  input_schema: object;
  output_schema: object;
  example: unknown;
  policy: EnginePolicy;
}

export interface PublishResult {
  served: EngineDescriptor[];
  /**
   * Versions that others already serve, or hold unfinished executions of, with another content; and ids that remote
   * engines are registered under.
   */
  refused: { id: string; version: number; reason: string }[];
}

export interface PublishOptions {
  /** The worker that publishes; its own row does not count as another live one. */
  processId: string;
  /** Replaces what is published in any case; for development, where code changes under a version. */
  replace: boolean;
}

/**
 * Publishes the engine versions of a worker. A published version keeps its content while another live worker serves it
 * or an unfinished execution holds it: a worker with another content does not serve that version.
 */
export async function publishEngines(
  db: Database,
  signals: Signals,
  engines: readonly EngineDescriptor[],
  { processId, replace }: PublishOptions,
): Promise<PublishResult> {
  const result: PublishResult = { served: [], refused: [] };
  for (const engine of engines) {
    const fingerprint = fingerprintOf(engine);
    const { rows } = await db.pool.query<{ fingerprint: string }>(
      `INSERT INTO engine_versions AS v (engine_id, version, title, description, input_schema, output_schema, example, policy,
         fingerprint)
       SELECT $1::text, $2::int, $3::text, $4::text, $5::json, $6::json, $7::json, $8::json, $9::text
       WHERE NOT EXISTS (SELECT FROM remote_engines r WHERE r.engine_id = $1)
       ON CONFLICT (engine_id, version) DO UPDATE SET title = excluded.title, description = excluded.description,
         input_schema = excluded.input_schema, output_schema = excluded.output_schema, example = excluded.example,
         policy = excluded.policy, fingerprint = excluded.fingerprint, last_served_at = now(),
         published_at = CASE WHEN v.fingerprint = excluded.fingerprint THEN v.published_at ELSE now() END
       WHERE v.fingerprint = excluded.fingerprint OR $10 OR NOT (
         EXISTS (SELECT FROM process_engines s JOIN processes p ON p.id = s.process_id WHERE s.engine_id = v.engine_id
           AND s.version = v.version AND p.id <> $11 AND p.lease_until > now())
         OR (SELECT coalesce(sum(queued + scheduled + running), 0) FROM engine_counters c
           WHERE c.engine_id = v.engine_id AND c.version = v.version) > 0)
       RETURNING fingerprint`,
      [
        engine.id,
        engine.version,
        engine.title,
        engine.description,
        JSON.stringify(engine.input_schema),
        JSON.stringify(engine.output_schema),
        engine.example === undefined ? null : JSON.stringify(engine.example),
        JSON.stringify(engine.policy),
        fingerprint,
        replace,
        processId,
      ],
    );
    if (rows.length > 0) result.served.push(engine);
    else {
      result.refused.push({
        id: engine.id,
        version: engine.version,
        reason: (await isRemote(db, engine.id))
          ? `${engine.id} is registered as a remote engine; give this one another id, or unregister that`
          : `${engine.id}@${engine.version} is published with another content, and is in use; give the changed engine a new version`,
      });
    }
  }
  if (result.served.length > 0) signals.publish("catalogue", processId);
  return result;
}

async function isRemote(db: Database, id: string): Promise<boolean> {
  const { rows } = await db.pool.query("SELECT FROM remote_engines WHERE engine_id = $1 LIMIT 1", [
    id,
  ]);
  return rows.length > 0;
}

/** Changes with what callers and workers rely on: id, version, schemas and policy. */
export function fingerprintOf({
  id,
  version,
  input_schema,
  output_schema,
  policy,
}: Pick<EngineDescriptor, "id" | "version" | "input_schema" | "output_schema" | "policy">): string {
  return createHash("sha256")
    .update(JSON.stringify([id, version, input_schema, output_schema, policy]))
    .digest("hex");
}
