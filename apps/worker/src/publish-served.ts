import {
  publishEngines,
  type PublishOptions,
  type PublishResult,
} from "@tl-engine/shared/catalogue/publish.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import type { ServedEngine } from "./served-engine.ts";

export interface PublishServedOptions extends PublishOptions {
  onRefused(refused: PublishResult["refused"][number]): void;
}

/** Publishes engine versions of this worker. @returns those of which it may take work */
export async function publishServed(
  db: Database,
  signals: Signals,
  offered: readonly ServedEngine[],
  { onRefused, ...options }: PublishServedOptions,
): Promise<ServedEngine[]> {
  const descriptors = offered.map(({ descriptor }) => ({
    ...descriptor,
    policy: { ...descriptor.policy, uses: [...descriptor.policy.uses] },
  }));
  const { served, refused } = await publishEngines(db, signals, descriptors, options);
  for (const one of refused) onRefused(one);
  const names = new Set(served.map(({ id, version }) => `${id}@${version}`));
  return offered.filter(({ name }) => names.has(name));
}
