/** Collects messages and sends them together: see {@link createOutbox}. */
export interface Outbox<T> {
  push(message: T): void;
  /** Sends what is there now. */
  flush(): void;
}

/**
 * One `postMessage` for all messages of one turn of the event loop. A message between threads costs some
 * 20 µs whatever its size, which is more than most executions need; in batches it is a few µs.
 */
export function createOutbox<T>(send: (batch: T[]) => void): Outbox<T> {
  let waiting: T[] = [];
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    if (waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    send(batch);
  }

  return {
    push(message) {
      waiting.push(message);
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    },
    flush,
  };
}
