import type pg from "pg";
import type { Enqueuer } from "./enqueuer.ts";
import { refill } from "./refill.ts";
import { readPace, unseenWindow, type EngineRef, type Pace } from "./window.ts";

/** An execution that this process made ready, or that has to wait in Postgres for its turn. */
export interface Placed extends EngineRef {
  readonly waits: boolean;
}

/**
 * Keeps the queue short: what is beyond half a second of work waits in Postgres. Each process estimates from its own
 * looks what is ahead, so that recording asks nobody, and whoever knows of a backlog brings it in.
 */
export interface Backlog {
  /** Which of these new executions may be enqueued at once; the others are to be recorded as waiting. */
  plan(engines: readonly EngineRef[]): boolean[];
  /** Has to hear of everything that this process has placed. */
  placed(placed: readonly Placed[]): void;
  /** Something waits, or may: looks soon, and goes on until nothing does. */
  look(engine: EngineRef): void;
  /** How many may be ahead, for the engine versions of which this process knows it. */
  windows(): (EngineRef & { readonly most: number })[];
  /** Stops, and waits for the look under way. */
  close(): Promise<void>;
}

export interface BacklogOptions {
  pool: pg.Pool;
  enqueuer: Enqueuer;
  onError: (error: unknown) => void;
}

/** A look for each quarter of the window that was recorded. */
const looksInWindow = 4;
/** How old what is known of slots and run times may be, ms. */
const paceMs = 5_000;
/** From one look to the next while there is a backlog, ms: after one that brought something in, and after one that did not. */
const busyMs = 50;
const idleMs = 100;
/** The same while another process does it, and while nobody serves the engine or Postgres is away. */
const othersMs = 250;
const restMs = 1_000;

interface Known {
  readonly engine: EngineRef;
  pace: Pace | null;
  paceAt: number;
  /** Of the last look; 0 and {@link unseenWindow} before it. */
  ahead: number;
  window: number;
  pending: number;
  /** What this process has placed since that look. */
  enqueued: number;
  waiting: number;
  lookedAt: number;
  lastCaller: string;
  looking: Promise<void> | null;
  timer: NodeJS.Timeout | null;
  timerAt: number;
}

/** See {@link Backlog}. */
export function createBacklog({ pool, enqueuer, onError }: BacklogOptions): Backlog {
  const all = new Map<string, Known>();
  let closed = false;

  function knownOf({ engineId, version }: EngineRef): Known {
    const name = `${engineId}@${version}`;
    let known = all.get(name);
    if (known === undefined) {
      known = {
        engine: { engineId, version },
        pace: null,
        paceAt: Number.NEGATIVE_INFINITY,
        ahead: 0,
        window: unseenWindow,
        pending: 0,
        enqueued: 0,
        waiting: 0,
        lookedAt: Number.NEGATIVE_INFINITY,
        lastCaller: "",
        looking: null,
        timer: null,
        timerAt: Number.POSITIVE_INFINITY,
      };
      all.set(name, known);
    }
    return known;
  }

  /** @returns how long until the next look is wanted, ms; null: not before something is placed */
  async function look(known: Known): Promise<number | null> {
    const { enqueued, waiting } = known;
    const startedAt = performance.now();
    known.lookedAt = startedAt;
    let { pace } = known;
    if (pace === null || pace.isGuess || pace.slots === 0 || startedAt - known.paceAt > paceMs) {
      pace = await readPace(pool, known.engine);
      known.pace = pace;
      known.paceAt = startedAt;
    }
    const before = known.pending;
    const found = await refill(pool, enqueuer, known.engine, pace, known.lastCaller);
    known.lastCaller = found.lastCaller;
    known.window = found.window;
    known.ahead = found.ahead;
    known.pending = found.pending;
    // What was placed since the look began may be in what it found: counted twice rather than not at all.
    known.enqueued -= enqueued;
    known.waiting -= waiting;
    if (found.pending + known.waiting === 0) return null;
    // A page may be short, where some callers had less than their share: the rest goes to the others at once.
    if (found.moved > 0) return found.ahead * 2 <= found.window ? 0 : busyMs;
    if (found.busy || found.pending < before) return othersMs;
    return pace.slots === 0 ? restMs : idleMs;
  }

  function lookNow(known: Known): void {
    if (closed || known.looking !== null) return;
    known.looking = look(known)
      .catch((error: unknown) => {
        onError(error);
        return restMs;
      })
      .then((inMs) => {
        known.looking = null;
        if (inMs !== null) lookIn(known, inMs);
        else if (isDue(known)) lookNow(known);
      });
  }

  function lookIn(known: Known, ms: number): void {
    const at = performance.now() + ms;
    if (closed || at >= known.timerAt) return;
    if (known.timer !== null) clearTimeout(known.timer);
    known.timerAt = at;
    known.timer = setTimeout(() => {
      known.timer = null;
      known.timerAt = Number.POSITIVE_INFINITY;
      lookNow(known);
    }, ms);
    known.timer.unref();
  }

  /** Whether so much was enqueued since the last look that what it found may be wrong by now. */
  function isDue({ lookedAt, enqueued, window, pace }: Known): boolean {
    if (enqueued === 0) return false;
    if (lookedAt === Number.NEGATIVE_INFINITY) return true;
    return enqueued >= window / looksInWindow / (pace?.apis ?? 1);
  }

  return {
    plan(engines) {
      const planned = new Map<Known, number>();
      return engines.map((engine) => {
        const known = knownOf(engine);
        const before = planned.get(known) ?? 0;
        const goes =
          known.pending + known.waiting === 0 &&
          known.ahead + known.enqueued + before < known.window;
        if (goes) planned.set(known, before + 1);
        return goes;
      });
    },
    placed(placed) {
      const touched = new Set<Known>();
      for (const one of placed) {
        const known = knownOf(one);
        if (one.waits) known.waiting += 1;
        else known.enqueued += 1;
        touched.add(known);
      }
      for (const known of touched) {
        if (known.waiting > 0)
          lookIn(known, Math.max(0, known.lookedAt + busyMs - performance.now()));
        else if (isDue(known)) lookNow(known);
      }
    },
    look: (engine) => lookIn(knownOf(engine), 0),
    windows: () =>
      [...all.values()]
        .filter(({ pace }) => pace !== null)
        .map(({ engine, window }) => ({ ...engine, most: window })),
    async close() {
      closed = true;
      for (const { timer } of all.values()) if (timer !== null) clearTimeout(timer);
      await Promise.all([...all.values()].map(async ({ looking }) => looking));
    },
  };
}
