import { isDeepStrictEqual } from "node:util";
import type { Execution } from "@tl-engine/client";

/** Every read of a status, compared: once finished, an execution never changes again. */
export interface Ends {
  readonly finished: ReadonlyMap<string, Execution>;
  /** What changed after its end, as sentences. */
  readonly changed: readonly string[];
  see(execution: Execution): void;
}

export function watchEnds(): Ends {
  const finished = new Map<string, Execution>();
  const changed: string[] = [];
  return {
    finished,
    changed,
    see(execution) {
      const id = execution.execution_id;
      const before = finished.get(id);
      if (before === undefined) {
        if (execution.done) finished.set(id, execution);
      } else if (!isDeepStrictEqual(before, execution)) {
        changed.push(`${id}: ${JSON.stringify(before)} became ${JSON.stringify(execution)}`);
      }
    },
  };
}
