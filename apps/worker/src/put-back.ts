import type { DeliveryItem, Queue } from "@tl-engine/shared/queue/queue.ts";
import { setTimeout as delay } from "node:timers/promises";
import type { ServedEngine } from "./served-engine.ts";

/** How often it is tried, and how long after a failure again, ms. */
const tries = 30;
const againMs = 1_000;

/**
 * Puts items of a delivery that this worker could not start back into the queue, for others. Where the queue does not
 * answer it goes on trying for a while, and nobody waits for that. After that the reconciler finds them when their queue
 * is empty, which under a backlog may take long.
 */
export async function putBack(
  queue: Queue,
  { descriptor }: Pick<ServedEngine, "descriptor">,
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
  const tryOnce = async (): Promise<boolean> => {
    try {
      await queue.enqueue([delivery]);
      return true;
    } catch (error) {
      onError(error);
      return false;
    }
  };
  if (await tryOnce()) return;
  void (async () => {
    for (let left = tries - 1; left > 0; left -= 1) {
      await delay(againMs, undefined, { ref: false });
      if (await tryOnce()) return;
    }
  })();
}
