import type { BedOptions } from "../bed/bed.ts";

/** One bed for all cases whose engines misbehave: in the short form they share it. */
export const misbehavingBed: BedOptions = {
  engines: ["sleep", "stubborn", "exit", "leak", "strange"],
  env: { TL_WORKER_CONCURRENCY: "20" },
};

/** Where engines run. */
export const hosts = ["inline", "thread", "process"] as const;
