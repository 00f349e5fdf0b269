import { createBatcher } from "../batch/batcher.ts";
import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { readExecutions, type ExecutionReader } from "./read.ts";
import type { CallerRef, ExecutionRow, Include } from "./row.ts";

export interface WaitOptions {
  /** Whether the caller has what he waited for. */
  until(row: ExecutionRow): boolean;
  timeoutMs: number;
  include: Include;
  /** It was accepted a moment ago by this process: the first look is left out, since it cannot have ended. */
  justAccepted?: boolean;
  signal?: AbortSignal;
}

/** Holds requests until an execution is as its caller wants it. */
export interface Watcher {
  /**
   * Resolves with the execution once `until` holds, and with what it is then when the time is up, the signal aborts or
   * the process shuts down; null where the caller has no such execution. @throws what Postgres says
   */
  wait(caller: CallerRef, id: string, options: WaitOptions): Promise<ExecutionRow | null>;
  /** How many requests are held. */
  readonly held: number;
  /** Answers all held requests at once, and those that come later without holding them. */
  wakeAll(): void;
  close(): void;
}

export interface WatcherOptions {
  pool: pg.Pool;
  reader: ExecutionReader;
  signals: Signals;
  onError: (error: unknown) => void;
}

/** How often all that is waited for is looked at, whatever the signals say, ms. */
const lookEveryMs = 1_000;
const bare: Include = { output: false, input: false, attempts: false, calls: false };
const everybody: CallerRef = { kind: "plane", id: "plane" };

/**
 * One signal per settled batch wakes those concerned; one batched read a second covers everybody, so that a lost signal
 * costs at most that second and a thousand waiting callers cost one query a second.
 */
export function createWatcher({ pool, reader, signals, onError }: WatcherOptions): Watcher {
  const waiting = new Map<string, Set<Waiting>>();
  let shuttingDown = false;
  let held = 0;

  const looks = createBatcher<string, void>({
    maxItems: 10_000,
    lanes: 1,
    async run(ids) {
      const gone = new Set(ids);
      for (const row of await readExecutions(pool, everybody, ids, bare)) {
        gone.delete(row.id);
        for (const one of waiting.get(row.id) ?? []) if (one.until(row)) one.wake();
      }
      // It has left the record: there is nothing to wait for any more.
      for (const id of gone) for (const one of waiting.get(id) ?? []) one.wake();
      return ids.map(() => undefined);
    },
  });
  signals.subscribe("settled", (payload) => {
    for (const id of payload.split(",")) for (const one of waiting.get(id) ?? []) one.wake();
  });
  const timer = setInterval(() => {
    if (looks.size > 0) return;
    for (const id of waiting.keys()) looks.add(id).catch(onError);
  }, lookEveryMs);
  timer.unref();

  return {
    async wait(caller, id, { until, timeoutMs, include, justAccepted, signal }) {
      const deadline = performance.now() + timeoutMs;
      const over = (): boolean =>
        shuttingDown || signal?.aborted === true || performance.now() >= deadline;
      // Listening comes before the first look, so that what happens in between is heard.
      const mine = makeWaiting(until);
      const others = waiting.get(id) ?? new Set<Waiting>();
      waiting.set(id, others.add(mine));
      const end = setTimeout(mine.wake, timeoutMs);
      signal?.addEventListener("abort", mine.wake);
      held += 1;
      try {
        if (justAccepted === true && !over()) await mine.woken();
        for (;;) {
          const row = await reader.read(caller, id, include);
          if (row === null || until(row) || over()) return row;
          await mine.woken();
        }
      } finally {
        held -= 1;
        clearTimeout(end);
        signal?.removeEventListener("abort", mine.wake);
        others.delete(mine);
        if (others.size === 0 && waiting.get(id) === others) waiting.delete(id);
      }
    },
    get held() {
      return held;
    },
    wakeAll() {
      shuttingDown = true;
      for (const set of waiting.values()) for (const one of set) one.wake();
    },
    close() {
      clearInterval(timer);
      this.wakeAll();
    },
  };
}

/** One held request. */
interface Waiting {
  until(row: ExecutionRow): boolean;
  wake: () => void;
  /** Resolves at the next wake; a wake that came since the last one counts. */
  woken(): Promise<void>;
}

function makeWaiting(until: (row: ExecutionRow) => boolean): Waiting {
  let pending = false;
  let resume: (() => void) | null = null;
  return {
    until,
    wake() {
      if (resume === null) pending = true;
      else {
        resume();
        resume = null;
      }
    },
    woken() {
      if (pending) {
        pending = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        resume = resolve;
      });
    },
  };
}
