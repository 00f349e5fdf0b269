import type { EngineDescriptor } from "@tl-engine/engine-kit";
import type { RegisteredEngine } from "@tl-engine/shared/remote-engines/read-remote-engines.ts";
import type { HostedEngine } from "./host/hosts.ts";
import type { DescribedEngine } from "./host/describe-engines.ts";
import { createSlots, type Slots } from "./slots.ts";

/** What a service of a remote engine is asked by, as it was registered. */
export type RemoteTarget = Pick<RegisteredEngine, "connection" | "method" | "path" | "revision">;

/** An engine version that this worker serves. */
export interface ServedEngine {
  readonly name: string;
  readonly descriptor: EngineDescriptor;
  readonly hosted: HostedEngine;
  readonly slots: Slots;
  /** Only of a remote engine. */
  readonly remote?: RemoteTarget;
}

export interface Capacity {
  /** Slots per engine version. */
  concurrency: number;
  /** Threads or processes per engine version that has its own. */
  threads: number;
}

/** An engine version with its places: never more than may run at once over all workers, nor than it has hosts of its own. */
export function serve(
  { module, descriptor }: DescribedEngine,
  capacity: Capacity,
  onSlots: (used: number) => void,
): ServedEngine {
  const { id, version, policy } = descriptor;
  const ceiling = policy.concurrency ?? Number.POSITIVE_INFINITY;
  const most = Math.min(capacity.concurrency, ceiling);
  const hosts = Math.min(capacity.threads, most);
  const places = policy.isolation === "inline" ? most : hosts;
  return {
    name: `${id}@${version}`,
    descriptor,
    hosted: {
      engineId: id,
      version,
      module,
      isolation: policy.isolation,
      uses: policy.uses,
      memoryMib: policy.memory_mib,
      hosts,
      spareProcesses: hosts,
    },
    slots: createSlots(places, onSlots),
  };
}
