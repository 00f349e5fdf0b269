import type pg from "pg";
import { fillPlaces, type LimitedEngine } from "./ceiling.ts";
import type { Enqueuer } from "./enqueuer.ts";

/**
 * Brings in the next executions of an engine with a ceiling when one of it has ended. Ends that come while a look is
 * under way share the next one; what is missed here is found by the reconciler.
 */
export function createFillFreedPlaces(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  onError: (error: unknown) => void,
): (engine: LimitedEngine) => void {
  const underWay = new Set<string>();
  const again = new Set<string>();

  async function fill(engine: LimitedEngine): Promise<void> {
    const ticket = enqueuer.open();
    try {
      await enqueuer.enqueue(ticket, await fillPlaces(pool, enqueuer.processId, engine));
    } catch (error) {
      enqueuer.drop(ticket, "unknown");
      onError(error);
    }
  }

  return function placeFreed(engine) {
    const name = `${engine.engineId}@${engine.version}`;
    if (underWay.has(name)) {
      again.add(name);
      return;
    }
    underWay.add(name);
    void fill(engine).finally(() => {
      underWay.delete(name);
      if (again.delete(name)) placeFreed(engine);
    });
  };
}
