import { isDeepStrictEqual } from "node:util";
import type { Execution } from "@tl-engine/client";

/**
 * Every read of a status, compared: once finished, an execution never changes again. That a result came too late may be
 * told beside its attempt afterwards.
 */
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
    see(seen) {
      const execution = withoutLateResults(seen);
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

function withoutLateResults(execution: Execution): Execution {
  const { attempts } = execution;
  if (attempts === undefined) return execution;
  return { ...execution, attempts: attempts.map((one) => ({ ...one, late_result: null })) };
}
