import { StartError } from "./start-error.ts";
import type { DescribedEngine } from "./host/describe-engines.ts";

/** How `TL_WORKER_ENGINES` names remote engines. */
const remotePrefix = "remote:";

/**
 * The engines that this worker serves of those that it has.
 * @param ids `TL_WORKER_ENGINES`; null: all
 * @throws StartError for an id that it does not have
 */
export function chooseEngines(
  all: DescribedEngine[],
  ids: readonly string[] | null,
): DescribedEngine[] {
  if (ids === null) return all;
  const own = ids.filter((id) => !id.startsWith(remotePrefix));
  const known = new Set(all.map(({ descriptor }) => descriptor.id));
  const unknown = own.filter((id) => !known.has(id));
  if (unknown.length > 0) {
    throw new StartError(
      `TL_WORKER_ENGINES names ${unknown.join(", ")}, which this worker does not have; it has ${[...known].sort().join(", ")}. A remote engine is named as ${remotePrefix}<id>.`,
    );
  }
  return all.filter(({ descriptor }) => own.includes(descriptor.id));
}

/** Whether this worker serves the remote engine of this id. @param ids as above */
export function servesRemote(id: string, ids: readonly string[] | null): boolean {
  if (ids === null) return true;
  return ids.includes(`${remotePrefix}*`) || ids.includes(`${remotePrefix}${id}`);
}
