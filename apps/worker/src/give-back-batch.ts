import { createBatcher } from "@tl-engine/shared/batch/batcher.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { Enqueuer } from "@tl-engine/shared/executions/enqueuer.ts";
import { giveBack, type GivenBack } from "@tl-engine/shared/executions/give-back.ts";
import { untilAvailable } from "@tl-engine/shared/executions/until-available.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";

export interface GiveBackOptions {
  db: Database;
  enqueuer: Enqueuer;
  signals: Signals;
  onError(error: unknown): void;
}

/** Gives executions back; those that come together (all of a host that ended) go in one statement. */
export function createGiveBack({
  db,
  enqueuer,
  signals,
  onError,
}: GiveBackOptions): (item: GivenBack) => Promise<void> {
  const batcher = createBatcher<GivenBack, void>({
    maxItems: 256,
    lanes: 1,
    async run(items) {
      await giveBack(db.pool, enqueuer, signals, items);
      return items.map(() => undefined);
    },
  });
  return (item) => untilAvailable(() => batcher.add(item), { onError });
}
