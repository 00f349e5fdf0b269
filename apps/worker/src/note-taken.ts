import type { Queue } from "@tl-engine/shared/queue/queue.ts";

/** A queue that remembers when something was taken from it: see {@link noteTaken}. */
export interface NotedQueue {
  readonly queue: Queue;
  /** When a delivery of this engine version was taken last, by `performance.now()`; before the first one, `-Infinity`. */
  takenAt(engineId: string, version: number): number;
}

/** Each engine version has a connection of its own to be woken by, which may be dead while the others work. */
export function noteTaken(queue: Queue): NotedQueue {
  const at = new Map<string, number>();
  const nameOf = (engineId: string, version: number): string => `${engineId}@${version}`;
  return {
    queue: {
      ...queue,
      consume: (options) =>
        queue.consume({
          ...options,
          handle(items) {
            at.set(nameOf(options.engineId, options.version), performance.now());
            return options.handle(items);
          },
        }),
    },
    takenAt: (engineId, version) => at.get(nameOf(engineId, version)) ?? Number.NEGATIVE_INFINITY,
  };
}
