import type { HostedRun } from "./host/hosts.ts";

/** An execution between the moment a start was asked for and the moment its end is recorded. */
export interface InHand {
  /** null: its start is under way. */
  dispatch: number | null;
  /** null before its host has it, and once its end only has to be recorded. */
  run: HostedRun | null;
  /** When the answer to its start arrived, by `performance.now()`. */
  startedAt: number;
}

/** The executions that this worker answers for. */
export interface InHandList {
  readonly size: number;
  get(id: string): InHand | undefined;
  entries(): Iterable<[id: string, InHand]>;
  add(id: string): InHand;
  /** Forgets it, if it is still this one. */
  remove(id: string, entry: InHand): void;
  /** Resolves when there is none. */
  none(): Promise<void>;
}

/** See {@link InHandList}. */
export function createInHandList(): InHandList {
  const list = new Map<string, InHand>();
  const waiting: (() => void)[] = [];
  return {
    get size() {
      return list.size;
    },
    get: (id) => list.get(id),
    entries: () => list.entries(),
    add(id) {
      const entry: InHand = { dispatch: null, run: null, startedAt: Number.POSITIVE_INFINITY };
      list.set(id, entry);
      return entry;
    },
    remove(id, entry) {
      // A retry or a second delivery may have brought it back here before the first one was put away.
      if (list.get(id) === entry) list.delete(id);
      if (list.size === 0) for (const resolve of waiting.splice(0)) resolve();
    },
    none() {
      if (list.size === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}
