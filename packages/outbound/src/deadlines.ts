/** Something that has a time. */
export interface Due {
  /** By `performance.now()`; it may move while it waits. */
  readonly dueAt: number;
  /** The time has come, and it waits no longer. */
  onDue(): void;
}

/**
 * One timer for the times of all calls: most are over long before theirs, and a timer for each would be made and thrown
 * away with every call. It comes for the earliest, looks who is due, and is set for the next.
 */
export class Deadlines {
  readonly #waiting = new Set<Due>();
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  /** Waits for a time; said again when that has moved. */
  add(due: Due): void {
    this.#waiting.add(due);
    if (due.dueAt < this.#timerAt) this.#start(due.dueAt);
  }

  delete(due: Due): void {
    this.#waiting.delete(due);
  }

  #start(at: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerAt = at;
    // It keeps no process alive: what is called does.
    this.#timer = setTimeout(() => this.#look(), Math.max(0, at - performance.now())).unref();
  }

  #look(): void {
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    // A timer may be early by its own millisecond.
    const now = performance.now() + 1;
    const due: Due[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const each of this.#waiting) {
      if (each.dueAt < now) due.push(each);
      else next = Math.min(next, each.dueAt);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#start(next);
    for (const each of due) {
      this.#waiting.delete(each);
      each.onDue();
    }
  }
}
