import { StartError } from "./start-error.ts";
import type { DescribedEngine } from "./host/describe-engines.ts";

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
  const known = new Set(all.map(({ descriptor }) => descriptor.id));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length > 0) {
    throw new StartError(
      `TL_WORKER_ENGINES names ${unknown.join(", ")}, which this worker does not have; it has ${[...known].sort().join(", ")}.`,
    );
  }
  return all.filter(({ descriptor }) => ids.includes(descriptor.id));
}
