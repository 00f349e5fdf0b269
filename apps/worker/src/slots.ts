/** Places for executions of one engine version in this worker: see {@link createSlots}. */
export interface Slots {
  readonly total: number;
  /** Places in which something runs. */
  readonly used: number;
  /**
   * A delivery has arrived: takes the place that its handler held, or waits for one.
   * @returns false where the slots were closed: nothing may start any more
   */
  enter(): Promise<boolean>;
  /** Takes up to `wanted` further places that are free now. */
  takeMore(wanted: number): number;
  /** Gives places back. */
  release(count: number): void;
  /** Resolves when a place is free for the handler's next delivery, and keeps it for that one. */
  hold(): Promise<void>;
  /** Takes nothing new: whoever waits is let go. */
  close(): void;
}

/**
 * A semaphore in which a handler holds its place while the queue fetches its next delivery, so that nothing is fetched
 * that cannot start at once. A delivery of many items may use places that others hold: an idle fetcher holds one too,
 * and the items are short.
 *
 * @param onChange hears how many are used now
 */
export function createSlots(total: number, onChange: (used: number) => void = () => {}): Slots {
  let used = 0;
  let held = 0;
  let closed = false;
  const entering: ((entered: boolean) => void)[] = [];
  const holding: (() => void)[] = [];

  function use(change: number): void {
    used += change;
    onChange(used);
  }

  function settle(): void {
    while (used < total) {
      const enter = entering.shift();
      if (enter === undefined) break;
      use(1);
      enter(true);
    }
    while (used + held < total) {
      const hold = holding.shift();
      if (hold === undefined) break;
      held += 1;
      hold();
    }
  }

  return {
    total,
    get used() {
      return used;
    },
    async enter() {
      if (held > 0) held -= 1;
      if (closed) return false;
      if (used < total && entering.length === 0) {
        use(1);
        return true;
      }
      return new Promise((resolve) => entering.push(resolve));
    },
    takeMore(wanted) {
      const more = closed ? 0 : Math.max(0, Math.min(wanted, total - used));
      if (more > 0) use(more);
      return more;
    },
    release(count) {
      if (count > 0) use(-count);
      settle();
    },
    async hold() {
      if (closed) return;
      if (used + held < total && holding.length === 0) {
        held += 1;
        return;
      }
      await new Promise<void>((resolve) => holding.push(resolve));
    },
    close() {
      closed = true;
      for (const enter of entering.splice(0)) enter(false);
      for (const hold of holding.splice(0)) hold();
    },
  };
}
