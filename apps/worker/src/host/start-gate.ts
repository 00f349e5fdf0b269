/** Lets only so many hosts start at once: see {@link createStartGate}. */
export interface StartGate {
  /** @returns false where there is no room now */
  enter(): boolean;
  leave(): void;
  /** Calls whenever there is room again. */
  onRoom(listener: () => void): void;
}

/**
 * Starting a host is all computing. Of many that start at once on few cores none is ready for long, while the first that
 * is ready could have taken what the others are started for.
 */
export function createStartGate(limit: number): StartGate {
  const listeners: (() => void)[] = [];
  let inside = 0;
  return {
    enter() {
      if (inside >= limit) return false;
      inside += 1;
      return true;
    },
    leave() {
      inside -= 1;
      for (const listener of listeners) listener();
    },
    onRoom: (listener) => void listeners.push(listener),
  };
}
