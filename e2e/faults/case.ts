import type { Backend } from "./backend.ts";
import type { Bed, BedOptions } from "./bed/bed.ts";
import type { Ledger, LedgerOptions } from "./ledger/ledger.ts";

/** One promise, tried. A file in `cases/` exports it as `faultCase`; the runner finds it there. */
export interface FaultCase {
  /** As the promises name it: `D4`. One that is tried in two ways adds a letter: `D5b`. */
  readonly id: string;
  /** One sentence with its figures; `--list` shows it. */
  readonly promise: string;
  readonly backends: readonly Backend[];
  /** Whether it is in the short set, or on which backends alone: what takes long and hardly differs goes on one. */
  readonly short: boolean | readonly Backend[];
  /** What it needs and this machine lacks, with the remedy; null, or left out: nothing. */
  missing?(): string | null;
  /** Throws where the promise does not hold. */
  run(context: CaseContext): Promise<void>;
}

/** What the runner hands to a case. */
export interface CaseContext {
  readonly backend: Backend;
  readonly seed: number;
  readonly short: boolean;
  /** Of the option `--minutes`; null: the case's own length. */
  readonly minutes: number | null;
  /** Seeded: 0 ≤ x < 1. The same in every run with this seed, case and backend. */
  random(): number;
  /** A whole number from `from` to `to`, both included; seeded. */
  between(from: number, to: number): number;
  /** The short form's figure, or the whole run's. */
  size(short: number, whole: number): number;
  /**
   * A time that is promised for a lease of 15 s, in ms: as it stands in the whole run; in the short form it shrinks with
   * the lease, and 4 s are added for what does not (the start of a process, two busy cores).
   */
  promised(seconds: number): number;
  say(text: string): void;
  /**
   * Two APIs, three workers, a private Postgres (and Redis where the backend is redis), a sink. The runner takes it
   * down. In the short form a bed is kept for the next case that asks for the same one: leave it as it was, or ask for
   * one `alone`.
   */
  startBed(options: BedOptions): Promise<Bed>;
  /**
   * Books of what was accepted, compared with the record by `audit`.
   *
   * @param engines those that this ledger submits to, and nobody else meanwhile
   */
  openLedger(bed: Bed, engines: readonly string[], options?: LedgerOptions): Promise<Ledger>;
}
