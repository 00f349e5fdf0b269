import type { Database } from "@tl-engine/shared/db/database.ts";
import { isRegistered } from "@tl-engine/shared/remote-engines/is-registered.ts";
import type { ApiContext } from "./endpoint.ts";
import { engineNotFound, engineOfPath } from "./engine-ref.ts";

/**
 * The remote engine that an address names.
 * @throws Refusal 404 where none is registered, also where workers have an engine of this id
 */
export async function remoteEngineOfPath(
  c: ApiContext,
  db: Database,
): Promise<{ id: string; version: number | null }> {
  const { id, version } = engineOfPath(c.req.param("engine_id") ?? "", c.get("caller"));
  if (!(await isRegistered(db, { id, version }))) throw engineNotFound();
  return { id, version };
}
