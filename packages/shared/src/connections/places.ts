import { performance } from "node:perf_hooks";
import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { holdPlaces } from "./hold-places.ts";

/** Bounds how many calls are made at once through a connection, over all processes. */
export interface Places {
  /**
   * Waits for a place, first come, first served; without asking anybody where this process has one to spare.
   * @returns gives it back; to be called once
   * @throws the signal's reason
   */
  enter(
    connection: { readonly id: string; readonly concurrency: number },
    signal: AbortSignal,
  ): Promise<() => void>;
  /** Gives all back, and lets nobody wait any more. */
  close(): Promise<void>;
}

export interface PlacesOptions {
  pool: pg.Pool;
  signals: Signals;
  /** Whose places they are: they come back when its lease has ended. */
  processId: string;
  onError: (error: unknown) => void;
}

/** How often those ask who wait, how long a place is kept that nobody needs, and how long others may go unheard, ms. */
const askMs = 1_000;

const ending = "this process is ending";

interface Waiter {
  give(): void;
  /** It gets none. */
  end(): void;
}

/** The places of this process at one connection. */
interface Held {
  readonly id: string;
  limit: number;
  inUse: number;
  /** Held and not in use. */
  idle: number;
  readonly waiting: Set<Waiter>;
  othersWait: boolean;
  asking: Promise<void> | null;
  askAgain: boolean;
  askedAt: number;
  timer: NodeJS.Timeout | null;
  /** What Postgres was to be told, it was perhaps not. */
  isUnsaid: boolean;
}

/** See {@link Places}. */
export function createPlaces({ pool, signals, processId, onError }: PlacesOptions): Places {
  const all = new Map<string, Held>();
  let closed = false;

  function heldOf(id: string, limit: number): Held {
    let held = all.get(id);
    if (held === undefined) {
      held = {
        id,
        limit,
        inUse: 0,
        idle: 0,
        waiting: new Set(),
        othersWait: false,
        asking: null,
        askAgain: false,
        askedAt: performance.now(),
        timer: null,
        isUnsaid: false,
      };
      all.set(id, held);
    }
    held.limit = limit;
    return held;
  }

  function giveToWaiters(held: Held): void {
    for (const waiter of held.waiting) {
      if (held.idle === 0) return;
      held.waiting.delete(waiter);
      held.idle -= 1;
      held.inUse += 1;
      waiter.give();
    }
  }

  async function askOnce(held: Held): Promise<void> {
    // From here on they may be somebody else's.
    held.idle = 0;
    held.askedAt = performance.now();
    const { id, limit, inUse, waiting } = held;
    const asked = { connectionId: id, processId, limit, inUse, waiting: waiting.size };
    const { taken, othersWait, isNews } = await holdPlaces(pool, asked);
    held.idle += taken;
    held.othersWait = othersWait;
    giveToWaiters(held);
    if (isNews) signals.publish("places", `${processId} ${id}`);
  }

  /** Says how things are here, and takes what there is. */
  function ask(held: Held): void {
    if (held.asking !== null) {
      held.askAgain = true;
      return;
    }
    held.askAgain = false;
    held.isUnsaid = false;
    held.asking = askOnce(held)
      .catch((error: unknown) => {
        held.isUnsaid = true;
        onError(error);
      })
      .then(() => {
        held.asking = null;
        if (held.askAgain || (held.othersWait && held.idle > 0)) ask(held);
        else settle(held);
      });
  }

  /** Looks again in a while, as long as somebody waits or something is held for nobody. */
  function settle(held: Held): void {
    if (held.timer !== null || closed) return;
    if (held.waiting.size === 0 && held.idle === 0 && !held.isUnsaid) {
      if (held.inUse === 0) all.delete(held.id);
      return;
    }
    held.timer = setTimeout(() => {
      held.timer = null;
      ask(held);
    }, askMs);
    held.timer.unref();
  }

  function leave(held: Held): void {
    held.inUse -= 1;
    held.idle += 1;
    // Others are not kept waiting by those who wait here, also where it was not heard that they do.
    const mayKeep = !held.othersWait && performance.now() - held.askedAt < askMs;
    if (held.waiting.size > 0 && mayKeep) giveToWaiters(held);
    else if (held.waiting.size > 0 || held.othersWait || closed) ask(held);
    else settle(held);
  }

  signals.subscribe("places", (news) => {
    const [by, id = ""] = news.split(" ");
    const held = all.get(id);
    if (held === undefined || closed || by === processId) return;
    if (held.waiting.size > 0 || held.idle > 0) ask(held);
    else held.othersWait = true;
  });

  return {
    async enter({ id, concurrency }, signal) {
      signal.throwIfAborted();
      if (closed) throw new Error(ending);
      const held = heldOf(id, concurrency);
      const { promise, resolve } = Promise.withResolvers<(() => void) | null>();
      const waiter: Waiter = {
        give() {
          let left = false;
          resolve(() => {
            if (left) return;
            left = true;
            leave(held);
          });
        },
        end: () => resolve(null),
      };
      const onAbort = (): void => {
        // What it would have had is the next one's.
        if (held.waiting.delete(waiter) && held.waiting.size === 0) ask(held);
        waiter.end();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      held.waiting.add(waiter);
      giveToWaiters(held);
      if (held.waiting.has(waiter)) ask(held);
      const given = await promise;
      signal.removeEventListener("abort", onAbort);
      if (given !== null) return given;
      signal.throwIfAborted();
      throw new Error(ending);
    },
    async close() {
      closed = true;
      for (const held of all.values()) {
        if (held.timer !== null) clearTimeout(held.timer);
        held.timer = null;
        for (const waiter of held.waiting) waiter.end();
        held.waiting.clear();
        ask(held);
      }
      await Promise.all([...all.values()].map(async (held) => held.asking));
    },
  };
}
