import type { Worker } from "node:worker_threads";

/** ms between looks at a heap in which something runs. */
const everyMs = 100;

/** The bounds of a thread's heap, MiB. */
export interface HeapBounds {
  /** Above this its thread is ended from here. */
  endAtMib: number;
  /** V8's own limit. */
  v8Mib: number;
}

/**
 * The bounds for an engine that may use `memoryMib`.
 *
 * At its own limit V8 ends the thread, but ends the whole process where the heap is more than 16 MiB past it by then, as
 * happens while it marks (three in four runs of an engine that leaked between its awaits). So V8's limit lies further
 * up, and the thread is ended from here before it gets there. What is used holds garbage too, up to half way between
 * what is alive and V8's limit: hence the room above `memoryMib`.
 */
export function heapBounds(memoryMib: number): HeapBounds {
  const endAtMib = memoryMib + Math.max(64, memoryMib / 4);
  return { endAtMib, v8Mib: endAtMib + Math.max(48, endAtMib / 8) };
}

export interface HeapWatchOptions {
  endAtMib: number;
  /** Whether anything runs in the thread; else nobody looks. */
  isBusy(): boolean;
  onExceeded(): void;
}

/** Tells once when a thread's heap has grown beyond `endAtMib`; while the thread is blocked, too. */
export function watchHeap(worker: Worker, options: HeapWatchOptions): { stop(): void } {
  let asking = false;

  async function look(): Promise<void> {
    const { used_heap_size } = await worker.getHeapStatistics();
    if (used_heap_size < options.endAtMib * 2 ** 20) return;
    clearInterval(timer);
    options.onExceeded();
  }

  const timer = setInterval(() => {
    if (asking || !options.isBusy()) return;
    asking = true;
    look()
      // It is about to end: there is nothing left to watch.
      .catch(() => undefined)
      .finally(() => {
        asking = false;
      });
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
