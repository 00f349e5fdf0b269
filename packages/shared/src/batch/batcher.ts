/** Joins what is already waiting: see {@link createBatcher}. */
export interface Batcher<T, R> {
  /** Resolves with this item's own result; rejects with its own error. */
  add(item: T): Promise<R>;
  /** How many items wait or are in flight. */
  readonly size: number;
}

export interface BatcherOptions<T, R> {
  /** Does the work for many; answers one result per item, in order. An Error as a result fails that item alone. */
  run(items: T[]): Promise<(R | Error)[]>;
  /** Most items in one run. */
  maxItems: number;
  /** Most runs in flight at once. */
  lanes: number;
}

interface Waiting<T, R> {
  item: T;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

/**
 * Coalesces calls without any timer: an item goes at once while a lane is free, so that at low load a batch is
 * one item and loses no time; under load the items that arrive while all lanes are busy share the next run.
 */
export function createBatcher<T, R>(options: BatcherOptions<T, R>): Batcher<T, R> {
  const waiting: Waiting<T, R>[] = [];
  let lanes = 0;
  let inFlight = 0;

  async function runOne(batch: Waiting<T, R>[]): Promise<void> {
    try {
      const results = await options.run(batch.map((entry) => entry.item));
      batch.forEach((entry, index) => {
        const result = results[index];
        if (result instanceof Error) entry.reject(result);
        else entry.resolve(result as R);
      });
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      lanes -= 1;
      inFlight -= batch.length;
      pump();
    }
  }

  function pump(): void {
    while (lanes < options.lanes && waiting.length > 0) {
      const batch = waiting.splice(0, options.maxItems);
      lanes += 1;
      inFlight += batch.length;
      void runOne(batch);
    }
  }

  return {
    add(item) {
      return new Promise<R>((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        pump();
      });
    },
    get size() {
      return waiting.length + inFlight;
    },
  };
}
