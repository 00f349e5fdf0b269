import type { Database } from "@tl-engine/shared/db/database.ts";
import { fillPlaces } from "@tl-engine/shared/executions/ceiling.ts";
import type { Enqueuer } from "@tl-engine/shared/executions/enqueuer.ts";
import type { ServedEngine } from "./served-engine.ts";

/**
 * Brings in the next executions of an engine with a ceiling when one of it has ended. Ends that come while a look is
 * under way share the next one; what is missed here is found by the reconciler.
 */
export function createFillFreedPlaces(
  db: Database,
  enqueuer: Enqueuer,
  onError: (error: unknown) => void,
): (engine: ServedEngine) => void {
  const underWay = new Set<ServedEngine>();
  const again = new Set<ServedEngine>();

  async function fill(engine: ServedEngine): Promise<void> {
    const { id: engineId, version, policy } = engine.descriptor;
    if (policy.concurrency === null) return;
    const ticket = enqueuer.open();
    try {
      const limits = { engineId, version, concurrency: policy.concurrency };
      await enqueuer.enqueue(ticket, await fillPlaces(db.pool, enqueuer.processId, limits));
    } catch (error) {
      enqueuer.drop(ticket, "unknown");
      onError(error);
    }
  }

  return function placeFreed(engine) {
    if (underWay.has(engine)) {
      again.add(engine);
      return;
    }
    underWay.add(engine);
    void fill(engine).finally(() => {
      underWay.delete(engine);
      if (again.delete(engine)) placeFreed(engine);
    });
  };
}
