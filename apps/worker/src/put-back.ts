import type { DeliveryItem, Queue } from "@tl-engine/shared/queue/queue.ts";
import type { ServedEngine } from "./served-engine.ts";

/**
 * Puts items of a delivery that this worker could not start back into the queue, for others. Should that fail, the
 * reconciler finds them waiting beside an empty queue.
 */
export async function putBack(
  queue: Queue,
  { descriptor }: ServedEngine,
  items: DeliveryItem[],
  onError: (error: unknown) => void,
): Promise<void> {
  // They were about to be started: no reason to let others go first.
  const delivery = {
    engineId: descriptor.id,
    version: descriptor.version,
    priority: "high",
    items,
    perJob: 1,
  } as const;
  await queue.enqueue([delivery]).catch(onError);
}
