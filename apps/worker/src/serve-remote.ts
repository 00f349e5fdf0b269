import type { RegisteredEngine } from "@tl-engine/shared/remote-engines/read-remote-engines.ts";
import { createSlots } from "./slots.ts";
import type { Capacity, ServedEngine } from "./served-engine.ts";

/**
 * A registered engine version with its places: never more than may run at once over all workers. It has no module: hosts
 * bring what calls a service with them.
 */
export function serveRemote(
  { descriptor, ...remote }: RegisteredEngine,
  capacity: Pick<Capacity, "concurrency">,
  onSlots: (used: number) => void,
): ServedEngine {
  const { id, version, policy } = descriptor;
  const places = Math.min(capacity.concurrency, policy.concurrency ?? Number.POSITIVE_INFINITY);
  return {
    name: `${id}@${version}`,
    descriptor: {
      ...descriptor,
      input_schema: descriptor.input_schema as Record<string, unknown>,
      output_schema: descriptor.output_schema as Record<string, unknown>,
    },
    hosted: {
      engineId: id,
      version,
      module: { url: "remote:", source: `the remote engine ${id}` },
      isolation: "inline",
      uses: policy.uses,
      memoryMib: policy.memory_mib,
      hosts: places,
      spareProcesses: places,
    },
    slots: createSlots(places, onSlots),
    remote,
  };
}
