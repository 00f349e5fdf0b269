/** Why a host ended by itself. */
export interface HostDeath {
  code: "engine_crashed" | "out_of_memory";
  detail: string;
}

/** A host that was not asked to end, and did. */
export function crashed(detail: string): HostDeath {
  return { code: "engine_crashed", detail };
}
