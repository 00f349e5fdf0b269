import { performance } from "node:perf_hooks";
import type { BreakingConnection } from "./circuit.ts";
import type { Outcomes } from "./count-outcomes.ts";

export interface OutcomeCounterOptions {
  /** Writes what was counted. Where it fails, the same counts come again with the next. */
  write(outcomes: Outcomes[]): Promise<void>;
  onError: (error: unknown) => void;
}

/** Counts what came of calls, and has it written together. */
export interface OutcomeCounter {
  count(connection: BreakingConnection, generation: number, outcome: "success" | "failure"): void;
  /** Writes what is left. */
  close(): Promise<void>;
}

interface Counted {
  connection: BreakingConnection;
  generation: number;
  successes: number;
  failures: number;
  since: number;
}

/** What went well is written this often, in one statement for all connections; a failure is sooner, ms. */
const healthyMs = 1_000;
const failingMs = 50;

/** See {@link OutcomeCounter}: about one small statement a second while all goes well, none while nothing is called. */
export function createOutcomeCounter({ write, onError }: OutcomeCounterOptions): OutcomeCounter {
  let counted = new Map<string, Counted>();
  let writing: Promise<void> | null = null;
  let wroteAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | null = null;
  let timerAt = Number.POSITIVE_INFINITY;
  let closed = false;

  function writeIn(ms: number): void {
    const at = performance.now() + ms;
    if (closed || writing !== null || at >= timerAt) return;
    if (timer !== null) clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => void writeNow(), ms);
    timer.unref();
  }

  function plan(): void {
    if (counted.size === 0) return;
    const fails = [...counted.values()].some(({ failures }) => failures > 0);
    const dueMs = wroteAt + (fails ? failingMs : healthyMs) - performance.now();
    writeIn(Math.max(0, fails ? dueMs : Math.min(healthyMs, dueMs)));
  }

  async function writeNow(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    timerAt = Number.POSITIVE_INFINITY;
    if (writing !== null || counted.size === 0) return;
    const batch = counted;
    counted = new Map();
    wroteAt = performance.now();
    writing = write([...batch.values()])
      .catch((error: unknown) => {
        onError(error);
        // Whatever is older than a window says nothing any more.
        const now = performance.now();
        for (const [id, old] of batch)
          if (now - old.since < old.connection.breaker.windowMs) add(id, old);
        wroteAt = performance.now() + healthyMs;
      })
      .finally(() => {
        writing = null;
        plan();
      });
    await writing;
  }

  /** Of an older generation than what is there already nothing is kept. */
  function add(id: string, more: Counted): void {
    const here = counted.get(id);
    if (here === undefined || more.generation > here.generation) {
      counted.set(id, more);
    } else if (more.generation === here.generation) {
      here.successes += more.successes;
      here.failures += more.failures;
      here.since = Math.min(here.since, more.since);
    }
  }

  return {
    count(connection, generation, outcome) {
      const here = counted.get(connection.id);
      if (here?.generation === generation) {
        here.connection = connection;
        here[outcome === "success" ? "successes" : "failures"] += 1;
      } else {
        const none = { connection, generation, successes: 0, failures: 0 };
        const since = performance.now();
        add(connection.id, {
          ...none,
          [outcome === "success" ? "successes" : "failures"]: 1,
          since,
        });
      }
      if (outcome === "failure") plan();
      else if (timer === null) plan();
    },
    async close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      await writing;
      if (counted.size > 0) await writeNow();
    },
  };
}
