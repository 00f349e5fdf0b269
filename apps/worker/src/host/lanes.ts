/** Waiting rooms by name, each with so many places: see {@link createLanes}. */
export interface Lanes {
  /**
   * Takes a place in a lane, or waits for one; first come, first served.
   * @throws the reason of the signal
   */
  enter(lane: string, signal: AbortSignal): Promise<void>;
  /** Gives a place back. */
  leave(lane: string): void;
}

/** Bounds how many of a kind are under way at once; those who wait in one lane hold up nobody in another. */
export function createLanes(places: number): Lanes {
  const lanes = new Map<string, { taken: number; readonly waiting: Set<() => void> }>();

  return {
    async enter(name, signal) {
      const lane = lanes.get(name) ?? { taken: 0, waiting: new Set() };
      lanes.set(name, lane);
      if (lane.taken < places) {
        lane.taken += 1;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const enter = (): void => {
          lane.waiting.delete(enter);
          signal.removeEventListener("abort", giveUp);
          resolve();
        };
        const giveUp = (): void => {
          lane.waiting.delete(enter);
          reject(signal.reason as Error);
        };
        lane.waiting.add(enter);
        signal.addEventListener("abort", giveUp, { once: true });
      });
    },
    leave(name) {
      const lane = lanes.get(name);
      if (lane === undefined) return;
      const [next] = lane.waiting;
      // Its place goes to whoever waits.
      if (next !== undefined) next();
      else if (--lane.taken === 0) lanes.delete(name);
    },
  };
}
